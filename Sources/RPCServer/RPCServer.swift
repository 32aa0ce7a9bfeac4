import Driver
import Logging
import NIOCore
import NIOPosix
public import Platform
import RPC
import Synchronization

import struct SystemPackage.Errno
import struct SystemPackage.FileDescriptor

/// JSON-RPC 2.0 on a Unix socket, one object a line.
///
/// Concurrency model: a thread accepts; each connection is a task, which takes one line at a time and reads no further
/// until the answer has gone out. So the answers of a connection come in the order of its requests, a client that does
/// not read holds one answer and no more, and connections do not wait for each other. A request that was read is
/// carried out, whether or not the client is still there for the answer.
public final class RPCServer: Sendable {
    /// The longest line that is read.
    public static let lineLimit = 1 << 20

    private let service: RPCService
    private let access: Access
    private let clock: any Clock
    private let logger: Logger
    private let connectionLimit: Int
    private let answerTimeout: Duration
    private let connections = Mutex(0)
    /// How many that were refused are still open.
    private let lingering = Mutex(0)
    private static let lingeringLimit = 64

    /// - Parameters:
    ///   - connectionLimit: further clients are told to come again.
    ///   - answerTimeout: how long a client may take to read one answer.
    public init(
        service: RPCService, access: Access, clock: any Clock, logger: Logger, connectionLimit: Int = 1024,
        answerTimeout: Duration = .seconds(60)
    ) {
        self.service = service
        self.access = access
        self.clock = clock
        self.logger = logger
        self.connectionLimit = connectionLimit
        self.answerTimeout = answerTimeout
    }

    /// Serves until the task is cancelled; then finishes what it has read, and returns.
    ///
    /// - Parameter listener: a listening socket, which stays the caller's.
    public func serve(listener: FileDescriptor) async throws {
        let acceptor = try Acceptor(listener: listener, logger: logger)
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                for await socket in acceptor.sockets {
                    switch admit(socket) {
                    case .served: group.addTask { await self.serve(socket) }
                    case .refused(let stream): group.addTask { await self.linger(stream) }
                    }
                }
                group.cancelAll()
            }
        } onCancel: {
            acceptor.stop()
        }
        acceptor.join()
    }

    // MARK: Letting in

    private enum Admission {
        case served
        case refused(UnixStream)
    }

    private func admit(_ socket: FileDescriptor) -> Admission {
        do throws(Errno) {
            if try !access.allows(socket) {
                return refuse(
                    socket, .init("UnauthorizedOperation"), "This user may not use the daemon's socket",
                    advice: "run as root, or as a member of the socket's group")
            }
        } catch {
            logger.warning("A client's credentials cannot be read: \(error)")
            return refuse(socket, .internalError, "The caller's credentials cannot be read", advice: nil)
        }
        let isRoom = connections.withLock { connections in
            if connections < connectionLimit { connections += 1 } else { return false }
            return true
        }
        if isRoom { return .served }
        return refuse(socket, .unavailable, "The daemon has too many connections", advice: "try again")
    }

    /// Says why; `linger` closes.
    private func refuse(
        _ socket: FileDescriptor, _ code: StorageError.Code, _ message: String, advice: String?
    ) -> Admission {
        logger.notice("A client is refused: \(message)")
        let error = RPCError(StorageError(code, message, advice: advice))
        let stream = UnixStream(adopting: socket)
        do throws(Errno) {
            try stream.send(Answer.failure(error, id: nil) + [UInt8(ascii: "\n")], timeout: .zero)
        } catch {
            logger.debug("The client has gone: \(error)")
        }
        stream.finishSending()
        return .refused(stream)
    }

    /// Keeps a refused connection open for a moment: a client whose request finds it closed may give up before it
    /// has read why. Of many at a time, only some are kept, and none when the server ends.
    private func linger(_ stream: UnixStream) async {
        let isKept = lingering.withLock { count in
            count += 1
            return count <= Self.lingeringLimit
        }
        defer { lingering.withLock { $0 -= 1 } }
        guard isKept else { return }
        do {
            try await clock.sleep(for: .seconds(1))
        } catch {
            logger.debug("A refused client is closed early: the server ends")
        }
        withExtendedLifetime(stream) {}
    }

    // MARK: A connection

    private func serve(_ socket: FileDescriptor) async {
        defer { connections.withLock { $0 -= 1 } }
        do {
            let channel = try await Self.channel(socket)
            try await channel.executeThenClose { lines, _ in
                for try await line in lines {
                    guard let answer = await answer(line) else { continue }
                    try await send(answer, on: channel.channel)
                    if Task.isCancelled { break }
                }
            }
        } catch {
            // A client that hangs up, or the daemon's own end: nobody is left to be told.
            logger.debug("A connection ends: \(error)")
        }
    }

    private static func channel(_ socket: FileDescriptor) async throws -> NIOAsyncChannel<Line, ByteBuffer> {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            // Such as socat, which closes its sending side at once and waits for the answer.
            .channelOption(.allowRemoteHalfClosure, value: true)
            .withConnectedSocket(socket.rawValue) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let decoder = LineDecoder(limit: lineLimit)
                    try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(decoder))
                    return try NIOAsyncChannel<Line, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
    }

    private func answer(_ line: Line) async -> [UInt8]? {
        switch line {
        case .tooLong: return Answer.failure(.lineTooLong(limit: Self.lineLimit), id: nil)
        case .text(let text):
            if text.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { return nil }
            // In a task of its own, so that the end of this connection does not cancel it half way.
            return await Task { await service.answer(text) }.value
        }
    }

    /// Returns when the kernel has the answer.
    private func send(_ answer: [UInt8], on channel: any Channel) async throws {
        var buffer = channel.allocator.buffer(capacity: answer.count + 1)
        buffer.writeBytes(answer)
        buffer.writeInteger(UInt8(ascii: "\n"))
        let (seconds, attoseconds) = answerTimeout.components
        let timeout = TimeAmount.nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
        let alarm = channel.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
        defer { alarm.cancel() }
        try await channel.writeAndFlush(buffer)
    }
}
