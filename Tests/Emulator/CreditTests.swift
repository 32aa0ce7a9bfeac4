// Credit balances outlive attachments and processes, and fill while nobody counts.
import Driver
import Platform
import Testing

@testable import Emulator

@Suite struct CreditTests {
    private func attachedGP2(_ region: TestRegion) async throws -> (Volume, VolumeNumber) {
        let host = try await region.registerHost()
        let volume = try await region.driver.createVolume(
            CreateVolumeRequest(zone: TestRegion.zone, sizeGiB: 100, type: .gp2))
        _ = try await region.driver.attachVolume(AttachVolumeRequest(volumeID: volume.id, instanceID: host.id))
        let number = try #require(region.exports.now.volumes.first { $0.value == volume.id }?.key)
        return (volume, number)
    }

    /// What the region would have the volume begin with.
    private func planned(_ number: VolumeNumber, _ region: TestRegion) -> Int64? {
        region.exports.now.plans[number]?.credits
    }

    @Test("a detach keeps the balance, and time fills it")
    func detach() async throws {
        try await withRegion { region in
            let (volume, number) = try await attachedGP2(region)
            #expect(planned(number, region) == nil, "a new volume's bucket is full")
            region.exports.setCredits(1_000, of: number)
            try await region.driver.detachVolume(DetachVolumeRequest(volumeID: volume.id))
            region.clock.advance(by: .seconds(100))
            let next = try await region.reopened()
            // 100 GiB earn 300 a second.
            let filled: Int64 = 1_000 + 30_000
            #expect(planned(number, next) == filled)
            region.clock.advance(by: .seconds(100_000))
            let last = try await next.reopened()
            #expect(planned(number, last) == 5_400_000)
        }
    }

    @Test("the balance of a volume in use is kept every few seconds")
    func kill() async throws {
        try await withRegion { region in
            let (_, number) = try await attachedGP2(region)
            region.exports.setCredits(2_000, of: number)
            // The keeper may not have gone to sleep yet; then it has not seen this step.
            for _ in 0..<1_000 {
                region.clock.advance(by: Region.creditInterval)
                if try await Self.kept(number, region) != nil { break }
                try await Task.sleep(for: .milliseconds(2))
            }
            #expect(try await Self.kept(number, region) == 2_000)
        }
    }

    @Test("what goes backwards fills nothing, and nothing overflows")
    func clocks() {
        let clock = VirtualClock()
        let bucket = PerformanceLimits.Credits(currency: .bytes, capacity: 1 << 44, fillPerSecond: 500 << 20)
        let balance = CreditBalance(credits: 7, time: clock.now())
        #expect(balance.filled(bucket, until: clock.now().addingTimeInterval(-3_600)) == 7)
        #expect(balance.filled(bucket, until: clock.now().addingTimeInterval(2)) == 7 + 1_000 << 20)
        #expect(balance.filled(bucket, until: .distantFuture) == 1 << 44)
    }

    @Test("a deleted volume's balance goes with it, and one that is full is not written")
    func deletion() async throws {
        try await withRegion { region in
            let (volume, number) = try await attachedGP2(region)
            try await region.driver.detachVolume(DetachVolumeRequest(volumeID: volume.id))
            #expect(try await Self.kept(number, region) == nil)
            region.exports.setCredits(5, of: number)
            let host = try await region.registerHost()
            _ = try await region.driver.attachVolume(AttachVolumeRequest(volumeID: volume.id, instanceID: host.id))
            try await region.driver.detachVolume(DetachVolumeRequest(volumeID: volume.id))
            try await region.driver.deleteVolume(volume.id)
            try await region.driver.close()
            #expect(try Catalog(path: region.catalogPath).contents().credits.isEmpty)
        }
    }

    /// The catalog cannot be opened twice, so the region is asked.
    private static func kept(_ number: VolumeNumber, _ region: TestRegion) async throws -> Int64? {
        await region.driver.keptCredits(of: number)?.credits
    }
}
