import Platform
import Synchronization
import SystemPackage

/// Says on standard error what is being waited for, once it has taken a second.
///
/// On a terminal one line counts the seconds and is gone afterwards; elsewhere one line is written, once.
enum Progress {
    static func during<Result, Failure: Error>(
        _ what: String, isShown: Bool = true, _ work: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard isShown else { return try work() }
        let line = Line(what: what)
        let ticker = Task.detached {
            for second in 1... {
                try await Task.sleep(for: .seconds(1))
                line.show(second)
            }
        }
        defer {
            ticker.cancel()
            line.finish()
        }
        return try work()
    }

    private final class Line: Sendable {
        private struct State {
            var isFinished = false
            var isShown = false
        }

        private let what: String
        private let isForPeople = isTerminal(.standardError)
        private let state = Mutex(State())

        init(what: String) {
            self.what = what
        }

        func show(_ seconds: Int) {
            state.withLock { state in
                guard !state.isFinished, isForPeople || !state.isShown else { return }
                state.isShown = true
                writeToStandardError(isForPeople ? "\r\u{1B}[K\(what) … \(seconds) s" : "\(what) …\n")
            }
        }

        /// After this nothing is written any more.
        func finish() {
            state.withLock { state in
                state.isFinished = true
                if state.isShown, isForPeople { writeToStandardError("\r\u{1B}[K") }
            }
        }
    }
}
