import Driver
import Logging
import Platform
import Prometheus
import Settings
import SystemPackage

/// Where metrics are served, if anywhere: the one front whose sockets the worker binds itself, since a scrape that fails
/// during a takeover is nothing that anybody waits for.
struct MetricsDoors {
    private let server: MetricsServer
    private let socket: UnixListener?
    private let port: FileDescriptor?

    /// Binds what the settings ask for; all of it or nothing.
    init(settings: Settings, driver: any StorageDriver, logger: Logger) throws(StorageError) {
        server = MetricsServer(driver: driver, logger: logger)
        socket = try settings.metricsSocket.map { (path) throws(StorageError) in try Self.socket(path) }
        do throws(StorageError) {
            port = try settings.metricsPort.map { (number) throws(StorageError) in try Self.port(number) }
        } catch {
            try Self.remove(socket)
            throw error
        }
    }

    /// Serves until the task is cancelled; the socket's file is gone afterwards, however that ends.
    func serve() async throws {
        do {
            try await withThrowingTaskGroup { group in
                for listener in [socket?.descriptor, port].compactMap(\.self) {
                    group.addTask { try await server.serve(listener) }
                }
                try await group.waitForAll()
            }
        } catch {
            try Self.remove(socket)
            throw error
        }
        try Self.remove(socket)
    }

    var isEmpty: Bool { socket == nil && port == nil }

    private static func socket(_ path: FilePath) throws(StorageError) -> UnixListener {
        do {
            let listener = try UnixListener(path: path, mode: [.ownerReadWrite, .groupReadWrite])
            try listener.show()
            return listener
        } catch {
            throw StorageError(
                .unavailable, "Cannot serve metrics on '\(path)'", cause: error.description,
                advice: "choose another metricsSocket")
        }
    }

    private static func port(_ number: UInt16) throws(StorageError) -> FileDescriptor {
        do {
            return try bindLoopback(port: number)
        } catch {
            throw StorageError(
                .unavailable, "Cannot serve metrics on 127.0.0.1:\(number)", cause: error.description,
                advice: "choose another metricsPort")
        }
    }

    private static func remove(_ socket: UnixListener?) throws(StorageError) {
        do {
            try socket?.remove()
        } catch {
            throw StorageError(
                .internalError, "The socket of the metrics could not be removed", cause: error.description)
        }
    }
}
