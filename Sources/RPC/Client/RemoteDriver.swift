import Driver
import Platform
import Synchronization

/// The storage driver of a daemon elsewhere: every call goes over its socket.
///
/// Concurrency model: each call that is under way has a connection and a thread of its own, at most `limit` of them;
/// more calls wait their turn. Cancelling the task ends the wait; what the daemon has begun it finishes.
public final class RemoteDriver: StorageDriver {
    private let socketPath: String
    private let timeout: Duration
    private let clock: any Clock
    private let random: any RandomSource
    private let threads: BlockingThreads
    private let idle = Mutex<[Connection]>([])

    /// - Parameters:
    ///   - timeout: how long one call may take, connecting included.
    ///   - random: for the client tokens of what is made without one.
    ///   - limit: how many calls may be under way at a time.
    public init(
        socketPath: String, timeout: Duration = .seconds(120), clock: any Clock, random: any RandomSource,
        limit: Int = 16
    ) {
        self.socketPath = socketPath
        self.timeout = timeout
        self.clock = clock
        self.random = random
        threads = BlockingThreads(limit: limit)
    }

    public func describeDriver() async throws -> DriverDescription {
        try await call(Ebb.DescribeDriver.self, Empty())
    }

    public func describeZones() async throws -> [Zone] {
        try await call(Ebb.DescribeZones.self, Empty()).zones
    }

    public func describeInstances() async throws -> [Instance] {
        try await call(Ebb.DescribeInstances.self, Empty()).instances
    }

    public func registerInstance(_ request: RegisterInstanceRequest) async throws -> Instance {
        try await call(Ebb.RegisterInstance.self, request)
    }

    public func describeVolumes(_ query: VolumeQuery) async throws -> VolumePage {
        try await call(Ebb.DescribeVolumes.self, query)
    }

    public func createVolume(_ request: CreateVolumeRequest) async throws -> Volume {
        try await callWithToken(Ebb.CreateVolume.self, request)
    }

    public func deleteVolume(_ id: VolumeID) async throws {
        _ = try await call(Ebb.DeleteVolume.self, .init(volumeID: id))
    }

    public func attachVolume(_ request: AttachVolumeRequest) async throws -> Attachment {
        try await call(Ebb.AttachVolume.self, request)
    }

    public func detachVolume(_ request: DetachVolumeRequest) async throws {
        _ = try await call(Ebb.DetachVolume.self, request)
    }

    public func modifyTags(_ request: ModifyTagsRequest) async throws -> Volume {
        try await call(Ebb.ModifyTags.self, request)
    }

    public func describeVolumeStatistics(ids: [VolumeID]) async throws -> [VolumeStatistics] {
        try await call(Ebb.GetVolumeStatistics.self, .init(ids: ids)).volumes
    }

    public func getMetricData(_ query: MetricDataQuery) async throws -> [MetricSeries] {
        try await call(Ebb.GetMetricData.self, query).series
    }

    public func modifyVolume(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        try await call(Ebb.ModifyVolume.self, request)
    }

    public func describeVolumeModifications(
        _ query: VolumeModificationQuery
    ) async throws -> VolumeModificationPage {
        try await call(Ebb.DescribeVolumeModifications.self, query)
    }

    /// Always sends a client token, so that a call whose answer was lost can be made again.
    func callWithToken<Method: RPCMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters
    ) async throws -> Method.Result where Method.Parameters: ClientTokenRequest {
        var parameters = parameters
        if !parameters.hasClientToken { parameters.clientToken = "ebb-\(random.hexDigits(32))" }
        return try await call(method, parameters)
    }

    /// Any method of the daemon, in the same way.
    public func call<Method: RPCMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters
    ) async throws -> Method.Result {
        let cancellation = Cancellation()
        let deadline = clock.uptime() + timeout
        return try await withTaskCancellationHandler {
            try Task.checkCancellation()
            return try await threads.run { [self] in
                do throws(StorageError) {
                    return try repeatingIfHarmless(method, parameters) { () throws(CallFailure) in
                        try attempt(method, parameters, until: deadline, cancellation)
                    }
                } catch {
                    if cancellation.isCancelled { throw CancellationError() }
                    throw error
                }
            }
        } onCancel: {
            cancellation.cancel()
        }
    }

    private func attempt<Method: RPCMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters, until deadline: Duration, _ cancellation: Cancellation
    ) throws(CallFailure) -> Method.Result {
        let connection = if let idle = takeIdle() { idle } else { try connect(until: deadline) }
        guard cancellation.begin(connection) else {
            throw CallFailure(StorageError(.unavailable, "\(Method.name) was cancelled"), stage: .answered)
        }
        do throws(CallFailure) {
            let result = try connection.call(method, parameters, until: deadline, clock: clock)
            giveBack(connection, cancellation)
            return result
        } catch {
            if error.stage == .answered { giveBack(connection, cancellation) }
            if cancellation.isCancelled { throw CallFailure(error.error, stage: .answered) }
            throw error
        }
    }

    /// Out of reach of the cancellation first, for the next call may take it at once.
    private func giveBack(_ connection: Connection, _ cancellation: Cancellation) {
        cancellation.end()
        idle.withLock { $0.append(connection) }
    }

    /// The connection that was used last, for the others may have to be closed.
    private func takeIdle() -> Connection? {
        while let connection = idle.withLock({ $0.popLast() }) {
            if !connection.isStale { return connection }
        }
        return nil
    }

    private func connect(until deadline: Duration) throws(CallFailure) -> Connection {
        do throws(StorageError) {
            return try Connection(socketPath: socketPath, timeout: deadline - clock.uptime())
        } catch {
            throw CallFailure(error, stage: .answered)
        }
    }
}

/// Lets a task's cancellation end the wait of the thread that works for it.
private final class Cancellation: Sendable {
    private struct State {
        var isCancelled = false
        var connection: Connection?
    }

    private let state = Mutex(State())

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// - Returns: whether the call is still wanted.
    func begin(_ connection: Connection) -> Bool {
        state.withLock { state in
            if !state.isCancelled { state.connection = connection }
            return !state.isCancelled
        }
    }

    func end() { state.withLock { $0.connection = nil } }

    func cancel() {
        let connection = state.withLock { state in
            state.isCancelled = true
            return state.connection
        }
        connection?.interrupt()
    }
}
