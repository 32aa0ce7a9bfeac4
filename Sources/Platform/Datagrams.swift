import Glibc
import SystemPackage

/// Sends one datagram to the Unix socket at `path`, as sd_notify(3) tells a service manager something.
///
/// - Throws: `Errno`: `.noSuchFileOrDirectory` without a socket, `.connectionRefused` when nobody has it open.
public func sendDatagram(_ text: String, to path: FilePath) throws(Errno) {
    let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    if socket < 0 { throw Errno(rawValue: errno) }
    defer { _ = close(socket) }
    let bytes = Array(text.utf8)
    let sent = try unsafe withUnixAddress(path) { address, length in
        unsafe Int32(sendto(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL), address, length))
    }
    if sent < 0 { throw Errno(rawValue: errno) }
}
