import Glibc
import SystemPackage

/// A listening Unix socket that nobody finds by its path until it is shown.
///
/// It is bound under a name beside the final one; `show` renames it. So a client either sees no socket or one
/// behind which the state is loaded, and a descriptor held across a restart keeps waiting clients waiting.
public struct UnixListener: Sendable {
    public let path: FilePath
    public let descriptor: FileDescriptor

    private var hiddenPath: FilePath {
        var hidden = path
        hidden.removeLastComponent()
        return hidden.appending("." + (path.lastComponent?.string ?? "socket") + ".new")
    }

    /// - Parameter mode: the socket file's permissions.
    /// - Throws: `Errno`; `.addressInUse` when a living process listens at `path`, `.fileNameTooLong` when the
    ///   path is over the kernel's 107 bytes.
    public init(path: FilePath, mode: FilePermissions, backlog: Int32 = 512) throws(Errno) {
        self.path = path
        if try unixSocketAnswers(at: path) { throw .addressInUse }
        let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if socket < 0 { throw Errno(rawValue: errno) }
        descriptor = FileDescriptor(rawValue: socket)
        do {
            try bindAndListen(mode: mode, backlog: backlog)
        } catch {
            _ = close(socket)
            throw error
        }
    }

    private func bindAndListen(mode: FilePermissions, backlog: Int32) throws(Errno) {
        try removeFile(at: hiddenPath)
        let result = try unsafe withUnixAddress(hiddenPath) { address, length in
            unsafe bind(descriptor.rawValue, address, length)
        }
        if result < 0 { throw Errno(rawValue: errno) }
        if unsafe chmod(hiddenPath.string, mode.rawValue) < 0 { throw Errno(rawValue: errno) }
        if listen(descriptor.rawValue, backlog) < 0 { throw Errno(rawValue: errno) }
    }

    /// Lets clients find it. Replaces a socket file that a dead process left.
    public func show() throws(Errno) {
        if unsafe rename(hiddenPath.string, path.string) < 0 { throw Errno(rawValue: errno) }
    }

    /// Takes the socket file away, shown or not. Those who are connected stay.
    public func remove() throws(Errno) {
        try removeFile(at: path)
        try removeFile(at: hiddenPath)
    }
}

/// Whether a process listens at `path`: also one that has no room for another connection now.
private func unixSocketAnswers(at path: FilePath) throws(Errno) -> Bool {
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let probe = socket(AF_UNIX, kind, 0)
    if probe < 0 { throw Errno(rawValue: errno) }
    defer { _ = close(probe) }
    let result = try unsafe withUnixAddress(path) { address, length in
        unsafe connect(probe, address, length) == 0 ? 0 : errno
    }
    switch Errno(rawValue: result) {
    case Errno(rawValue: 0), .resourceTemporarilyUnavailable: return true
    case .noSuchFileOrDirectory, .connectionRefused: return false
    case let error: throw error
    }
}

/// Calls `body` with the kernel's form of a Unix socket's path.
func withUnixAddress(
    _ path: FilePath, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) throws(Errno) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.string.utf8)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    if bytes.count >= room { throw .fileNameTooLong }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    let length = socklen_t(MemoryLayout<sockaddr_un>.size)
    return unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
    }
}
