import Glibc
import SystemPackage

/// A connected Unix stream socket whose every wait has an end.
///
/// Concurrency model: one caller sends and receives at a time; `interrupt` may come from any thread. The descriptor
/// lives as long as the value, so that an interrupt never meets another file under the same number.
public final class UnixStream: Sendable {
    public let descriptor: FileDescriptor

    /// Connects to the socket at `path`.
    ///
    /// - Throws: `Errno`: `.noSuchFileOrDirectory` without a socket, `.connectionRefused` when nobody listens,
    ///   `.timedOut` when the listener's queue stays full.
    public init(connectingTo path: FilePath, timeout: Duration) throws(Errno) {
        let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if socket < 0 { throw Errno(rawValue: errno) }
        descriptor = FileDescriptor(rawValue: socket)
        // A Unix socket's connect waits for room in the queue for as long as sending may take (unix(7)).
        try setSendTimeout(timeout)
        let result = try unsafe withUnixAddress(path) { address, length in
            while true {
                let result = unsafe connect(socket, address, length)
                if result == 0 || errno != EINTR { return result }
            }
        }
        if result < 0 {
            let error = Errno(rawValue: errno)
            throw error == .resourceTemporarilyUnavailable ? .timedOut : error
        }
    }

    /// Takes over a connected socket.
    public init(adopting descriptor: FileDescriptor) {
        self.descriptor = descriptor
    }

    deinit {
        _ = close(descriptor.rawValue)
    }

    /// Sends all of `bytes`.
    ///
    /// - Throws: `Errno`: `.brokenPipe` when the peer is gone, `.timedOut`.
    public func send(_ bytes: [UInt8], timeout: Duration) throws(Errno) {
        let deadline = ContinuousClock.now + timeout
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[sent...])
                return unsafe Glibc.send(
                    descriptor.rawValue, rest.baseAddress, rest.count,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN {
                try wait(for: POLLOUT, until: deadline)
            } else if errno != EINTR {
                throw Errno(rawValue: errno)
            }
        }
    }

    /// Receives what is there, at least one byte, and appends it to `buffer`.
    ///
    /// - Returns: how many bytes came; 0 when the peer has closed.
    public func receive(into buffer: inout [UInt8], timeout: Duration) throws(Errno) -> Int {
        let deadline = ContinuousClock.now + timeout
        let chunk = 64 * 1024
        while true {
            let start = buffer.count
            buffer.append(contentsOf: repeatElement(0, count: chunk))
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                let room = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
                return unsafe recv(descriptor.rawValue, room.baseAddress, room.count, Int32(MSG_DONTWAIT))
            }
            let failure = errno
            buffer.removeLast(chunk - max(count, 0))
            if count >= 0 { return count }
            if failure == EAGAIN {
                try wait(for: POLLIN, until: deadline)
            } else if failure != EINTR {
                throw Errno(rawValue: failure)
            }
        }
    }

    /// Whether the peer has closed, or has sent what nobody asked for: such a connection is of no more use.
    public var isStale: Bool {
        var entry = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, 0) != 0
    }

    /// Says that nothing more will be sent.
    public func finishSending() {
        _ = shutdown(descriptor.rawValue, Int32(SHUT_WR))
    }

    /// Ends the connection for whoever waits on it, now and later.
    public func interrupt() {
        _ = shutdown(descriptor.rawValue, Int32(SHUT_RDWR))
    }

    private func wait(for events: Int32, until deadline: ContinuousClock.Instant) throws(Errno) {
        let remaining = ContinuousClock.now.duration(to: deadline)
        if remaining <= .zero { throw .timedOut }
        var entry = pollfd(fd: descriptor.rawValue, events: Int16(events), revents: 0)
        // One millisecond more, so that the rounding down does not spin before the deadline.
        let milliseconds = Int32(clamping: Int64(remaining / .milliseconds(1)) + 1)
        if unsafe poll(&entry, 1, milliseconds) < 0, errno != EINTR { throw Errno(rawValue: errno) }
    }

    private func setSendTimeout(_ timeout: Duration) throws(Errno) {
        let (seconds, attoseconds) = timeout.components
        var value = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
        // Zero would mean for ever.
        if value.tv_sec == 0, value.tv_usec == 0 { value.tv_usec = 1 }
        let length = socklen_t(MemoryLayout<timeval>.size)
        let result = unsafe setsockopt(descriptor.rawValue, SOL_SOCKET, SO_SNDTIMEO, &value, length)
        if result < 0 { throw Errno(rawValue: errno) }
    }
}
