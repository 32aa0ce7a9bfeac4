import Synchronization
import SystemPackage

/// The descriptors of a volume's parts. Parts are added while others are read and written; none is replaced.
///
/// Concurrency: a part is stored before the size that reaches into it (`VolumeFile.size`, releasing), and loaded
/// after it (acquiring), so that who knows the size sees the part. No lock, and no allocation.
struct PartTable: ~Copyable, Sendable {
    /// 64 TiB in parts of 8 TiB are 8; tests have smaller parts.
    static let capacity = 64

    private let descriptors = InlineArray<64, Atomic<Int32>> { _ in Atomic(-1) }

    @inline(__always)
    subscript(part: Int) -> FileDescriptor {
        FileDescriptor(rawValue: descriptors[part].load(ordering: .relaxed))
    }

    func isOpen(_ part: Int) -> Bool { descriptors[part].load(ordering: .relaxed) != -1 }

    func set(_ part: Int, _ descriptor: FileDescriptor) {
        let former = descriptors[part].exchange(descriptor.rawValue, ordering: .relaxed)
        precondition(former == -1, "a part is opened once")
    }

    /// Closes what is open.
    func close() {
        for part in 0..<Self.capacity {
            let number = descriptors[part].exchange(-1, ordering: .relaxed)
            if number >= 0 { FileDescriptor(rawValue: number).closeIgnoringErrors() }
        }
    }
}
