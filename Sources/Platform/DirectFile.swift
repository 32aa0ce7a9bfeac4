import CPlatform
import Glibc
public import SystemPackage

/// A file or block device that is read and written past the page cache, so that what is measured is what is below it.
public struct DirectFile: Sendable {
    /// What offsets, lengths and memory are multiples of; enough for every device here.
    public static let alignmentBytes = 4_096

    public let descriptor: FileDescriptor
    public let sizeBytes: Int64

    /// The corresponding C functions are `open` with `O_DIRECT`, and `lseek`.
    public init(_ path: FilePath, writes: Bool) throws(Errno) {
        descriptor = try FileDescriptor.openFile(
            path, writes ? .readWrite : .readOnly,
            options: FileDescriptor.OpenOptions(rawValue: cplatform_direct_flag()))
        do throws(Errno) {
            sizeBytes = Int64(try systemCall { [descriptor] in lseek(descriptor.rawValue, 0, SEEK_END) })
        } catch {
            descriptor.closeIgnoringErrors()
            throw error
        }
    }

    public func close() { descriptor.closeIgnoringErrors() }

    /// Fills the buffer from an offset; false where the file ends before.
    public func read(into buffer: inout DirectBuffer, at offset: Int64) throws(Errno) -> Bool {
        try unsafe descriptor.readAll(intoMemory: buffer.memory, at: offset) == buffer.count
    }

    public func write(_ buffer: borrowing DirectBuffer, at offset: Int64) throws(Errno) {
        try unsafe descriptor.writeAll(memory: UnsafeRawBufferPointer(buffer.memory), at: offset)
    }
}

/// Memory that the kernel can move to and from a device directly; all zeros at first.
@safe public struct DirectBuffer: ~Copyable {
    fileprivate let memory: UnsafeMutableRawBufferPointer

    public var count: Int { unsafe memory.count }

    public init(count: Int) {
        unsafe memory = .allocate(byteCount: count, alignment: DirectFile.alignmentBytes)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { unsafe memory.deallocate() }
}
