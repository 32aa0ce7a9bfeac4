import Glibc
import SystemPackage

/// A file that one process at a time holds, and whose text says which.
///
/// The lock is the kernel's (`flock`), so it ends with its holder however that ends; the text is for people
/// and for signals. The lock belongs to the open file: a child that inherits the descriptor holds it too.
public struct LockFile: Sendable {
    public let path: FilePath
    private let descriptor: FileDescriptor

    /// Takes the lock and writes this process's id into the file.
    ///
    /// - Throws: `Held` when another process has it, `Errno` otherwise.
    public init(acquiring path: FilePath) throws {
        self.path = path
        // Never truncated before the lock is ours: the holder's id stands in it.
        descriptor = try FileDescriptor.open(
            path, .readWrite, options: [.create, .closeOnExec], permissions: [.ownerReadWrite, .groupRead, .otherRead])
        if flock(descriptor.rawValue, LOCK_EX | LOCK_NB) < 0 {
            let error = Errno(rawValue: errno)
            defer { try? descriptor.close() }  // Nothing was written; the descriptor goes whatever it says.
            if error == .wouldBlock { throw Held(path: path, holder: try Self.text(of: descriptor)) }
            throw error
        }
        if ftruncate(descriptor.rawValue, 0) < 0 { throw Errno(rawValue: errno) }
        _ = try descriptor.writeAll(toAbsoluteOffset: 0, "\(getpid())\n".utf8)
    }

    /// Somebody else's lock.
    public struct Held: Error {
        public let path: FilePath
        /// What the holder wrote: its process id.
        public let holder: String
    }

    private static func text(of descriptor: FileDescriptor) throws -> String {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = try unsafe bytes.withUnsafeMutableBytes { buffer in
            try unsafe descriptor.read(fromAbsoluteOffset: 0, into: buffer)
        }
        return String(decoding: bytes[..<count], as: UTF8.self).filter(\.isNumber)
    }
}
