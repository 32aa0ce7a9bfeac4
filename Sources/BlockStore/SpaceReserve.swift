import Platform
import Synchronization
import SystemPackage

/// Keeps the disk's last bytes for short writes, so that a full disk breaks no filesystem on a volume.
///
/// A filesystem whose data finds no room tells the writer ENOSPC and goes on. One whose journal finds no room
/// gives itself up: ext4 aborts its journal and can only be read from then on. Both arrive here as writes, data in
/// long ones, journals and tables in short ones. So where room is short, long writes to space that is not there
/// yet are refused while short ones still have the reserve.
///
/// It is no guarantee: many short writes of data use the reserve up.
///
/// Looking at the disk for each write would cost more than the write: it is looked at again when half of what was
/// free then has been written.
final class SpaceReserve: Sendable {
    /// Writes from this length on may not use the reserve. The kernel cuts the long writes of a loop device, of
    /// 1.25 MiB, into 1 MiB and this.
    static let longWriteBytes: Int64 = 256 << 10
    /// The reserve is an eighth of the disk, and not more than this.
    static let maximumBytes: Int64 = 256 << 20

    /// How much may be written before the disk is looked at again.
    private let credit = Atomic<Int64>(0)

    /// Whether a write, or an allocation, of this length may take space. Does not say that there is any.
    func admits(
        _ length: Int64, disk: () throws(Errno) -> FilesystemStatus
    ) throws(Errno) -> Bool {
        if credit.subtract(length, ordering: .relaxed).newValue >= 0 { return true }
        let spare = Self.spareBytes(try disk())
        credit.store(min(max(spare / 2, 0), 1 << 30), ordering: .relaxed)
        return spare > 0 || length < Self.longWriteBytes
    }

    /// Free space beyond the reserve; negative within it.
    static func spareBytes(_ disk: FilesystemStatus) -> Int64 {
        let block = Int64(clamping: disk.blockBytes)
        let total = Int64(clamping: disk.blocks) * block
        return Int64(clamping: disk.availableBlocks) * block - min(total / 8, maximumBytes)
    }
}
