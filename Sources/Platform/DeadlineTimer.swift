import CPlatform
import Glibc
public import SystemPackage

/// Wakes one thread at a time of `SystemClock.uptimeNanoseconds`, to which any thread may set it.
///
/// A timer of the kernel rather than a condition to wait on: setting it wakes nobody, and it has none of the slack
/// that the kernel gives to sleeping threads.
public struct DeadlineTimer: Sendable {
    private let descriptor: FileDescriptor

    /// The corresponding C function is `timerfd_create`.
    public init() throws(Errno) {
        descriptor = FileDescriptor(rawValue: try shimCall { cplatform_timer() })
    }

    /// Sets the timer; a time that has passed wakes at once. `nil` for never.
    ///
    /// The corresponding C function is `timerfd_settime`.
    public func set(_ uptimeNanoseconds: Int64?) {
        // Zero would mean never.
        let error = cplatform_set_timer(descriptor.rawValue, uptimeNanoseconds.map { max(1, $0) } ?? 0)
        precondition(error == 0, "a timer can be set: errno \(-error)")
    }

    /// Waits until the time has come, or the thread is interrupted.
    ///
    /// The corresponding C function is `read`.
    public func wait() {
        var expirations: UInt64 = 0
        // What interrupts is for the caller to look at; there is no other error.
        _ = unsafe withUnsafeMutableBytes(of: &expirations) { bytes in
            unsafe read(descriptor.rawValue, bytes.baseAddress, bytes.count)
        }
    }

    /// Nobody may be waiting.
    public func close() {
        descriptor.closeIgnoringErrors()
    }
}
