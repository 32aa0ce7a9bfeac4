// HTTP/1.1 on a socket that is bound already, for whatever has something to say.
public import HummingbirdCore
public import Logging
public import NIOCore
import NIOPosix
public import SystemPackage

/// Answers the requests of one connection, one after the other. What it throws ends the connection.
public typealias HTTPAnswer = @Sendable (Request) async throws -> Response

/// Serves a socket until the task is cancelled; what is under way then is still answered.
///
/// - Parameters:
///   - listener: a bound socket. It is closed at the end; a Unix socket's file is left to who bound it.
///   - backlog: connections that may wait in the kernel.
///   - answer: called for each connection, on its event loop.
public func serveHTTP(
    _ listener: SystemPackage.FileDescriptor, backlog: Int32 = 512, logger: Logger,
    answer: @escaping @Sendable (any Channel) throws -> HTTPAnswer
) async throws {
    let connections = OpenConnections()
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .serverChannelOption(ChannelOptions.backlog, value: backlog)
        .childChannelOption(ChannelOptions.allowRemoteHalfClosure, value: true)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { http(try answer(channel)) }
                .flatMap { http in
                    http.setup(channel: channel, logger: logger).map { value in
                        connections.add(channel) { await http.handle(value: value, logger: logger) }
                    }
                }
        }
        .withBoundSocket(listener.rawValue).get()
    try await withTaskCancellationHandler {
        try await server.closeFuture.get()
    } onCancel: {
        server.close(promise: nil)
    }
    await connections.end()
}

private func http(_ answer: @escaping HTTPAnswer) -> HTTP1Channel {
    HTTP1Channel { request, writer, _ in
        let response = try await answer(request)
        try await writer.write(response: response.head, body: response.body)
    }
}
