// `GET /metrics` over HTTP, for Prometheus and whoever else reads its text.
public import Driver
import HTTPServing
import HTTPTypes
import HummingbirdCore
public import Logging
import NIOCore
public import SystemPackage

/// Tells what attached volumes did, to whoever asks a socket.
public struct MetricsServer: Sendable {
    private let driver: any StorageDriver
    private let logger: Logger

    /// - Parameter driver: one that can do `.statistics`.
    public init(driver: any StorageDriver, logger: Logger) {
        self.driver = driver
        self.logger = logger
    }

    /// Serves a bound socket until the task is cancelled, and closes it.
    public func serve(_ listener: SystemPackage.FileDescriptor) async throws {
        try await serveHTTP(listener, logger: logger) { _ in { await respond(to: $0) } }
    }

    private func respond(to request: Request) async -> Response {
        guard request.uri.path == "/metrics" else {
            return plain(.notFound, "There is /metrics here.\n")
        }
        guard request.method == .get else { return plain(.methodNotAllowed, "Metrics are read with GET.\n") }
        do {
            return response(.ok, PrometheusText.contentType, PrometheusText.text(of: try await measuredVolumes()))
        } catch {
            logger.warning("metrics could not be read: \(error)")
            return plain(.internalServerError, "\(error)\n")
        }
    }

    /// Those that are attached, as with CloudWatch. One that comes or goes between the two questions is not among them.
    private func measuredVolumes() async throws -> [MeasuredVolume] {
        let volumes = try await driver.describeVolumes(.all).volumes.filter { !$0.attachments.isEmpty }
        let statistics = try await driver.describeVolumeStatistics(ids: [])
        let byID = Dictionary(statistics.map { ($0.volumeID, $0) }, uniquingKeysWith: { first, _ in first })
        return volumes.compactMap { volume in
            byID[volume.id].map { MeasuredVolume(volume: volume, statistics: $0) }
        }
    }

    private func plain(_ status: HTTPResponse.Status, _ text: String) -> Response {
        response(status, "text/plain; charset=utf-8", text)
    }

    private func response(_ status: HTTPResponse.Status, _ contentType: String, _ text: String) -> Response {
        Response(
            status: status, headers: [.contentType: contentType],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
