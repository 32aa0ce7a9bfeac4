import Glibc
import SystemPackage

/// A bound TCP socket on 127.0.0.1, which only programs of this machine reach.
///
/// The corresponding C functions are `socket`, `setsockopt` and `bind`.
///
/// - Throws: `Errno`; `.addressInUse` when a program has the port.
public func bindLoopback(port: UInt16) throws(Errno) -> FileDescriptor {
    let descriptor = try systemCall {
        Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    }
    do throws(Errno) {
        // Connections of a former process that linger in TIME_WAIT do not keep the port.
        var yes: Int32 = 1
        try systemCall {
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        try systemCall {
            unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    } catch {
        _ = close(descriptor)
        throw error
    }
    return FileDescriptor(rawValue: descriptor)
}
