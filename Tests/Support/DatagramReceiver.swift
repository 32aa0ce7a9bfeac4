import Glibc
import Platform
import SystemPackage

/// A Unix socket that datagrams are sent to, as a service manager has one.
public final class DatagramReceiver: Sendable {
    private let descriptor: FileDescriptor

    public init(at path: FilePath) throws(Errno) {
        let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if socket < 0 { throw Errno(rawValue: errno) }
        descriptor = FileDescriptor(rawValue: socket)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(path.string.utf8)) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result < 0 { throw Errno(rawValue: errno) }
    }

    deinit { _ = close(descriptor.rawValue) }

    /// The next datagram; `nil` when none comes within the time.
    public func receive(within timeout: Duration = .seconds(30)) throws -> String? {
        if try waitUntilReadable([descriptor], timeout: timeout).isEmpty { return nil }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe recv(descriptor.rawValue, &buffer, buffer.count, 0)
        if count < 0 { throw Errno(rawValue: errno) }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
