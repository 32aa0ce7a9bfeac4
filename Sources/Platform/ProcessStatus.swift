import SystemPackage

/// A process as `/proc/PID/stat` tells of it (proc_pid_stat(5)).
public struct ProcessStatus: Hashable, Sendable {
    /// When it started, in clock ticks after boot: with its id, this names one run of a process.
    public var startTimeTicks: UInt64
    /// Whether nothing of it runs any more and it only waits to be reaped.
    ///
    /// A process lives as long as one of its threads. When its first thread has ended before the others, the kernel
    /// shows that thread's state, `Z`, as the process's.
    public var hasEnded: Bool

    /// `nil` when there is no such process. Whatever else keeps it from being looked at is thrown.
    ///
    /// - Parameter proc: where `/proc` is; another place in tests.
    public init?(of processID: Int32, proc: FilePath = "/proc") throws(Errno) {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try readFile(proc.appending("\(processID)/stat"))
        } catch {
            // ESRCH: it ended between opening and reading.
            if error == .noSuchFileOrDirectory || error == .noSuchProcess { return nil }
            throw error
        }
        guard let status = Self(stat: String(decoding: bytes, as: UTF8.self)) else { throw .ioError }
        self = status
    }

    init?(stat text: String) {
        // The command's name, field 2, stands in parentheses and may hold anything, parentheses too.
        guard let nameEnd = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: nameEnd)...].split(separator: " ")
        guard fields.count > 19, let threads = Int(fields[17]), let ticks = UInt64(fields[19]) else { return nil }
        startTimeTicks = ticks
        hasEnded = ["Z", "X"].contains(fields[0]) && threads <= 1
    }
}
