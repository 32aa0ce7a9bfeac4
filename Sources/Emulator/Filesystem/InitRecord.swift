import CFuse
import Platform
import SystemPackage

/// The kernel's INIT request, kept in a file in memory for every session of every worker.
///
/// The kernel sends it once, at the mount; a libfuse session does not work without one.
enum InitRecord {
    /// The kernel refuses to fill a shorter buffer (FUSE_MIN_READ_BUFFER is 8 KiB; a page more does no harm).
    private static let bufferBytes = 16 << 10

    /// Takes INIT, which waits on a connection that was just mounted, and keeps it in a file in memory.
    static func record(from descriptor: FileDescriptor) throws(Errno) -> FileDescriptor {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferBytes, alignment: 8)
        defer { unsafe buffer.deallocate() }
        let count = try unsafe descriptor.readMessage(into: buffer)
        let file = try FileDescriptor.memoryFile(named: "fuse-init")
        try unsafe file.writeAll(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<count])), at: 0)
        return file
    }

    static func read(_ file: FileDescriptor) throws(Errno) -> [UInt8] {
        let count = Int(try file.fileStatus().sizeBytes)
        guard count > 0 else { throw .invalidArgument }
        var bytes = [UInt8](repeating: 0, count: count)
        var elements = bytes.mutableSpan
        var span = unsafe elements.mutableBytes
        _ = try file.readAll(into: &span, range: 0..<count, at: 0)
        return bytes
    }

    /// Whether this kernel hands requests over again when asked: Linux 6.9 does.
    static func canResend(_ record: [UInt8]) -> Bool {
        unsafe record.withUnsafeBytes { unsafe cfuse_init_can_resend($0.baseAddress, $0.count) }
    }
}
