import Driver
import Host
import HTTPServing
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import Platform
import SystemPackage

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Docker's volume plugin under one name: HTTP/1.1 over a Unix socket that is listening already.
///
/// The supervisor binds the socket, shows it when the volumes are known and takes it away at the end; a worker
/// serves it. Plugins of several names share one volume manager. Errors are answered as HTTP 500 with
/// `{"Err": …}`, the one form that dockerd and Podman both understand.
public struct DockerPlugin: Sendable {
    /// The longest body. dockerd's are below 1 KiB; options make them longer.
    static let maximumBodyBytes = 1 << 20

    /// For the kernel's queue of connections: at its start dockerd asks for every volume it knows at once.
    static let backlog: Int32 = 512

    private let driver: VolumeDriver
    private let logger: Logger

    /// - Parameters:
    ///   - name: what users write after `--driver`, and the socket's name.
    ///   - zone: where volumes go that name no zone: the instance's own.
    public init(
        name: String, volumes: VolumeManager, zone: ZoneName, policy: DockerPolicy = DockerPolicy(),
        clock: any Clock, logger: Logger
    ) {
        self.init(
            name: name, anyVolumes: volumes, zone: zone, policy: policy,
            clock: clock, logger: logger)
    }

    init(
        name: String, anyVolumes: any DockerVolumes, zone: ZoneName, policy: DockerPolicy = DockerPolicy(),
        clock: any Clock, logger: Logger
    ) {
        var logger = logger
        logger[metadataKey: "plugin"] = "\(name)"
        self.logger = logger
        driver = VolumeDriver(
            service: name, volumes: anyVolumes, zone: zone, policy: policy,
            clock: clock, logger: logger)
    }

    /// Serves the socket until the task is cancelled; what is under way then is still answered.
    ///
    /// - Parameter listener: a bound Unix socket. It is closed at the end; its file is left to who bound it.
    public func serve(_ listener: SystemPackage.FileDescriptor) async throws {
        try await serveHTTP(listener, backlog: Self.backlog, logger: logger) { channel in
            let caller = try caller(on: channel)
            return { try await respond(to: $0, caller: caller) }
        }
    }

    /// Which run of dockerd connected. Its pid is 0 when our pid namespace does not show it, its start 0 when it
    /// is gone already.
    private func caller(on channel: any Channel) throws -> Incarnation {
        let peer = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            try peerCredentials(of: SystemPackage.FileDescriptor(rawValue: $0))
        }
        guard let processID = peer?.processID, processID > 0 else { return Incarnation(pid: 0, startTimeTicks: 0) }
        let status = try ProcessStatus(of: processID)
        return Incarnation(pid: processID, startTimeTicks: status?.startTimeTicks ?? 0)
    }

    private func respond(to request: Request, caller: Incarnation) async throws -> Response {
        guard let endpoint = Endpoint(rawValue: request.uri.path) else {
            return try failure(.notFound, "there is no \(request.uri.path.prefix(80)) here")
        }
        guard request.method == .post else { return try failure(.methodNotAllowed, "calls are made with POST") }
        let body: ByteBuffer
        do {
            body = try await request.body.collect(upTo: Self.maximumBodyBytes)
        } catch is NIOTooManyBytesError {
            return try failure(.internalServerError, "the request is longer than \(Self.maximumBodyBytes) bytes")
        }
        let start = driver.clock.uptime()
        let answer = await driver.answer(endpoint, body: Data(body.readableBytesView), caller: caller)
        logger.debug(
            "answered", metadata: ["call": "\(endpoint.name)", "duration": "\(driver.clock.uptime() - start)"])
        switch answer {
        case .success(let data): return Self.response(.ok, data)
        case .failure(let text): return try failure(.internalServerError, text)
        case .silence: throw HangUp()
        }
    }

    private func failure(_ status: HTTPResponse.Status, _ text: String) throws -> Response {
        Self.response(status, try encode(ErrorAnswer(error: text)))
    }

    private static func response(_ status: HTTPResponse.Status, _ body: Data) -> Response {
        Response(
            status: status, headers: [.contentType: "application/vnd.docker.plugins.v1.2+json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    /// Ends a connection without an answer.
    private struct HangUp: Error {}
}
