import Glibc
import SystemPackage

/// Which of the descriptors can be read without waiting; empty when `timeout` ran out first.
///
/// - Parameter timeout: `nil` to wait for as long as it takes.
///
/// The corresponding C function is `poll`.
public func waitUntilReadable(
    _ descriptors: [FileDescriptor], timeout: Duration? = nil
) throws(Errno) -> Set<Int32> {
    var entries = descriptors.map { pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0) }
    let milliseconds = timeout.map { Int32(clamping: Int64($0 / .milliseconds(1))) } ?? -1
    let count = unsafe poll(&entries, nfds_t(entries.count), milliseconds)
    if count < 0 {
        if errno == EINTR { return [] }
        throw Errno(rawValue: errno)
    }
    return Set(entries.filter { $0.revents != 0 }.map(\.fd))
}

/// Keeps this thread until a time of `SystemClock.uptimeNanoseconds`, or until a signal comes.
///
/// The corresponding C function is `clock_nanosleep`.
public func waitInThisThread(untilUptimeNanoseconds deadline: Int64) {
    var time = timespec(tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
    _ = unsafe clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil)
}

extension FileDescriptor {
    /// One byte, or `nil` at the end. The corresponding C function is `read`.
    public func readByte() throws -> UInt8? {
        var byte: UInt8 = 0
        let count = try unsafe withUnsafeMutableBytes(of: &byte) { try unsafe read(into: $0) }
        return count == 0 ? nil : byte
    }
}
