// An emulated region behind a real socket.
import BlockStore
import Driver
import Logging
import Platform
import RPC
import RPCServer
import SystemPackage
import TestSupport

@testable import Emulator

struct TestServer: Sendable {
    let socketPath: String
    let driver: any StorageDriver
    let instance: Instance
    let service: RPCService
    let host: FakeHost
    /// Lets a minute pass in the region, and makes its data points.
    let passMinute: @Sendable () async -> Void

    /// A connection for tests that speak bytes.
    func connect() throws -> RawClient { try RawClient(socketPath) }

    func client() -> RPCClient { RPCClient(socketPath: socketPath, timeout: .seconds(30)) }

    func remote(limit: Int = 16) -> RemoteDriver {
        RemoteDriver(
            socketPath: socketPath, timeout: .seconds(30), clock: SystemClock(), random: SystemRandom(), limit: limit)
    }
}

/// A client that sends what it is told and reads lines.
final class RawClient: Sendable {
    let stream: UnixStream

    init(_ path: String) throws {
        stream = try UnixStream(connectingTo: FilePath(path), timeout: .seconds(10))
    }

    func send(_ bytes: [UInt8]) async throws {
        try await blocking { [stream] in try stream.send(bytes, timeout: .seconds(20)) }
    }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// All that comes until `count` lines are there, or the other side closes.
    func lines(_ count: Int) async throws -> [String] {
        try await blocking { [stream] in
            var buffer: [UInt8] = []
            while buffer.count(where: { $0 == UInt8(ascii: "\n") }) < count {
                if try stream.receive(into: &buffer, timeout: .seconds(20)) == 0 { break }
            }
            return String(decoding: buffer, as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }

    func call(_ line: String) async throws -> String {
        try await send(line + "\n")
        return try await lines(1).first ?? ""
    }
}

func quietLogger() -> Logger {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}

/// An emulator of its own, with this machine as an instance.
func withEmulator<Result>(
    modification: ModificationPolicy = ModificationPolicy(), clock: VirtualClock = VirtualClock(),
    _ body: (EmulatorDriver, Instance, FilePath) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { directory in
        let store = try VolumeStore(directory: directory.appending("volumes"))
        let driver = try await EmulatorDriver(
            configuration: RegionConfiguration(mountPoint: "/run/ebb/volumes", modification: modification),
            stateDirectory: directory,
            exports: try ExportTable(store: store, clock: clock), clock: clock,
            random: SeededRandom(seed: 1), logger: quietLogger())
        let instance = try await driver.registerInstance(RegisterInstanceRequest(name: "hosta", zone: "us-east-1b"))
        let result = try await body(driver, instance, directory)
        try await driver.close()
        return result
    }
}

/// Serves `service` at `path` while `body` runs.
func serving<Result: Sendable>(
    _ service: RPCService, at path: FilePath, access: Access = Access(groupID: nil), connectionLimit: Int = 1024,
    answerTimeout: Duration = .seconds(60), _ body: () async throws -> Result
) async throws -> Result {
    let listener = try UnixListener(path: path, mode: [.ownerReadWrite, .groupReadWrite])
    try listener.show()
    let server = RPCServer(
        service: service, access: access, clock: SystemClock(), logger: quietLogger(),
        connectionLimit: connectionLimit, answerTimeout: answerTimeout)
    let task = Task { try await server.serve(listener: listener.descriptor) }
    let stop = {
        task.cancel()
        try await task.value
        try listener.descriptor.close()
    }
    return try await withCleanup(stop, body)
}

/// A server before an emulator of its own. `wrap` may stand between the two.
func withServer<Result: Sendable>(
    connectionLimit: Int = 1024, answerTimeout: Duration = .seconds(60),
    modification: ModificationPolicy = ModificationPolicy(),
    wrap: (any StorageDriver) -> any StorageDriver = { $0 },
    _ body: (TestServer) async throws -> Result
) async throws -> Result {
    let clock = VirtualClock()
    return try await withEmulator(modification: modification, clock: clock) { emulator, instance, directory in
        let driver = wrap(emulator)
        let host = FakeHost(driver: driver, instance: instance, clock: clock)
        let service = RPCService(
            driver: driver, host: host, instance: instance, version: "0.1.0",
            clock: clock, random: SeededRandom(seed: 3), freeBytes: { 1 << 40 })
        let path = directory.appending("ebb.sock")
        let server = TestServer(
            socketPath: path.string, driver: emulator, instance: instance, service: service, host: host,
            passMinute: {
                clock.advance(by: .seconds(60))
                await emulator.endMetricMinute()
            })
        return try await serving(
            service, at: path, connectionLimit: connectionLimit, answerTimeout: answerTimeout
        ) {
            try await body(server)
        }
    }
}

/// A call that any server answers with 6.
func zoneCount(_ client: RPCClient) async throws -> Int {
    try await blocking { try client.call(Ebb.DescribeZones.self).zones.count }
}

/// Runs what blocks on a thread of its own: the few that tasks share are the server's too, and it could not answer.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await BlockingThreads(limit: 1).run(body)
}
