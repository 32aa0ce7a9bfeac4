import Platform
import SystemPackage
import Testing

@testable import BlockStore

/// The disk's last bytes are for short writes.
@Suite struct SpaceReserveTests {
    private static let long = SpaceReserve.longWriteBytes
    private static let short = SpaceReserve.longWriteBytes - 1

    private func disk(totalMiB: UInt64, availableMiB: UInt64) -> FilesystemStatus {
        FilesystemStatus(
            blockBytes: 4096, blocks: totalMiB * 256, freeBlocks: availableMiB * 256,
            availableBlocks: availableMiB * 256)
    }

    @Test(arguments: [(1 << 20, 256), (2048, 256), (800, 100), (160, 20)] as [(UInt64, UInt64)])
    func longWritesEndAtTheReserve(totalMiB: UInt64, reserveMiB: UInt64) throws {
        let above = disk(totalMiB: totalMiB, availableMiB: reserveMiB + 1)
        let within = disk(totalMiB: totalMiB, availableMiB: reserveMiB)
        #expect(try SpaceReserve().admits(Self.long) { () throws(Errno) in above })
        #expect(try !SpaceReserve().admits(Self.long) { () throws(Errno) in within })
        #expect(try SpaceReserve().admits(Self.short) { () throws(Errno) in within })
    }

    @Test func theDiskIsLookedAtAgainAfterHalfOfWhatWasFree() throws {
        let reserve = SpaceReserve()
        var looks = 0
        let plenty = disk(totalMiB: 2048, availableMiB: 256 + 64)
        for _ in 1...33 {
            _ = try reserve.admits(1 << 20) { () throws(Errno) in
                looks += 1
                return plenty
            }
        }
        #expect(looks == 1, "the first write looks, and allows another 32 MiB")
        _ = try reserve.admits(1 << 20) { () throws(Errno) in
            looks += 1
            return plenty
        }
        #expect(looks == 2)
    }

    @Test func aShortDiskIsLookedAtEachTimeUntilThereIsRoom() throws {
        let reserve = SpaceReserve()
        let full = disk(totalMiB: 2048, availableMiB: 100)
        let freed = disk(totalMiB: 2048, availableMiB: 1000)
        for _ in 1...3 { #expect(try !reserve.admits(Self.long) { () throws(Errno) in full }) }
        #expect(try reserve.admits(Self.long) { () throws(Errno) in freed })
    }
}
