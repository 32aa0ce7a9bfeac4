// A region of many volumes: ready soon, listed at once, and creating stays quick. The bounds leave room for
// unoptimised builds on busy machines; scripts/bench measures the real speed.
import BlockStore
import Driver
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct ScaleTests {
    static let count = 10_000

    /// Writes a region's state without going through 10,000 durable creates.
    private func populate(_ directory: FilePath) async throws {
        let random = SeededRandom(seed: 7)
        let files = directory.appending("volumes")
        try createDirectories(files)
        let volumes = (1...Self.count).map { number in
            VolumeRecord(
                number: VolumeNumber(Int64(number)), id: VolumeID("vol-" + random.hexDigits(17)),
                zone: TestRegion.zone,
                specification: VolumeSpecification(type: .gp3, sizeGiB: 1, iops: 3_000, throughputMiBps: 125),
                isMultiAttachEnabled: false, createTime: Date(milliseconds: 1_600_000_000_000 + Int64(number)),
                tags: [Tag.name: "volume-\(number)", Tag.fsType: "ext4"], state: .available)
        }
        for volume in volumes {
            let file = try FileDescriptor.open(
                files.appending(volume.fileName), .writeOnly, options: [.create], permissions: .ownerReadWrite)
            try file.closeAfter { try file.resize(to: volume.sizeBytes) }
        }
        let catalog = try Catalog(path: directory.appending("catalog.sqlite"))
        try await catalog.commit(volumes.map { .putVolume($0) })
        try catalog.close()
    }

    @Test("a region of 10,000 volumes is ready soon, and lists them at once")
    func manyVolumes() async throws {
        try await withTemporaryDirectory { directory in
            try await populate(directory)
            let clock = ContinuousClock()
            let start = clock.now
            let region = try await TestRegion.open(directory)
            let ready = clock.now
            let volumes = try await region.driver.describeVolumes(.all).volumes
            let listed = clock.now
            _ = try await region.create("one more")
            let created = clock.now
            print(
                "10,000 volumes: ready in \(ready - start), listed in \(listed - ready), one more in \(created - listed)"
            )
            #expect(volumes.count == Self.count)
            #expect(volumes.last?.name == "volume-10000")
            #expect(ready - start < .seconds(60))
            #expect(listed - ready < .seconds(5))
            #expect(created - listed < .seconds(30))
            try await region.driver.close()
        }
    }

    @Test("a hundred creates in a row")
    func creates() async throws {
        try await withRegion { region in
            let clock = ContinuousClock()
            var times: [Duration] = []
            for _ in 0..<100 {
                times.append(try await clock.measure { _ = try await region.create() })
            }
            times.sort()
            print("create: median \(times[50]), 90 % \(times[90]), longest \(times[99])")
            #expect(times[50] < .seconds(1))
            try await region.driver.close()
        }
    }
}
