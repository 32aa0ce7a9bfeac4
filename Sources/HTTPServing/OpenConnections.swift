import NIOCore
import Synchronization

/// A server's connections, so that its end can wait for theirs.
///
/// Each connection's task begins in the initializer of its channel: NIO traps when a channel that was made for a
/// task is dropped before one took it, as happens to a stream of connections that is cancelled.
final class OpenConnections: Sendable {
    private struct State {
        var nextNumber = 0
        var open: [Int: (channel: any Channel, task: Task<Void, Never>)] = [:]
        var isEnding = false
    }

    private let state = Mutex(State())

    /// Begins to serve a connection; `body` returns when it is closed.
    func add(_ channel: any Channel, body: @escaping @Sendable () async -> Void) {
        let isEnding = state.withLock { state in
            let number = state.nextNumber
            state.nextNumber += 1
            let task = Task {
                await body()
                self.state.withLock { $0.open[number] = nil }
            }
            state.open[number] = (channel, task)
            return state.isEnding
        }
        if isEnding { Self.endInput(of: channel) }
    }

    /// Takes no more requests, from those that come late neither, and waits until all are answered.
    func end() async {
        let open = state.withLock { state in
            state.isEnding = true
            return Array(state.open.values)
        }
        for connection in open { Self.endInput(of: connection.channel) }
        for connection in open { await connection.task.value }
    }

    /// A channel that has not come to life has no request to answer, and NIO does not let it be closed by half.
    private static func endInput(of channel: any Channel) {
        channel.eventLoop.execute { channel.close(mode: channel.isActive ? .input : .all, promise: nil) }
    }
}
