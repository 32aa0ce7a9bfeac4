import Driver
import Host
import Logging
import Platform
import RPC

/// What the server does with a line, apart from how lines come and go.
public struct RPCService: Sendable {
    /// Gives the bytes that are left for volumes.
    public typealias FreeBytes = @Sendable () throws -> Int64

    private let methods: MethodTable

    /// - Parameters:
    ///   - driver: the region, for `Ebb.`'s driver methods and CSI's controller.
    ///   - host: this machine's side, for the other methods.
    ///   - instance: what this machine is in the region.
    ///   - version: of the program.
    ///   - clock: for how long calls wait for each other.
    ///   - random: for the ids of CSI's groups of snapshots.
    ///   - freeBytes: for CSI's `GetCapacity`, which is not offered without it.
    public init(
        driver: any StorageDriver, host: any HostOperations, instance: Instance, version: String,
        clock: any Clock, random: any RandomSource, freeBytes: FreeBytes? = nil
    ) {
        var methods = MethodTable()
        methods.addDriver(driver)
        methods.addSnapshots(driver)
        methods.addSnapshotBlocks(driver)
        methods.addSnapshotTasks(driver)
        methods.addHost(host, driver: driver, instance: instance, version: version)
        methods.addDevices(host)
        methods.addIdentity(version: version, driver: driver)
        let controller = Controller(driver: driver, host: host, instance: instance, freeBytes: freeBytes)
        methods.addController(controller)
        methods.addSnapshots(controller)
        methods.addGroupController(GroupController(controller: controller, clock: clock, random: random))
        methods.addNode(Node(host: host, instance: instance))
        self.methods = methods
    }

    /// The names of all methods, sorted.
    public var methodNames: [String] { methods.names }

    /// Answers a line, without its end; `nil` when there is nothing to answer, as to notifications.
    ///
    /// The requests of a batch are carried out in their order.
    public func answer(_ line: [UInt8]) async -> [UInt8]? {
        let message: Message
        do throws(JSONError) {
            message = try Message(line)
        } catch {
            return Answer.failure(.parseError(error), id: nil)
        }
        switch message {
        case .single(let request): return await answer(request, in: line)
        case .batch(let requests):
            var answers: [[UInt8]] = []
            for request in requests {
                if let answer = await answer(request, in: line) { answers.append(answer) }
            }
            if answers.isEmpty { return nil }
            var writer = JSONWriter()
            writer.array(answers) { $0.raw($1) }
            return writer.bytes
        }
    }

    private func answer(_ request: Result<Request, InvalidRequest>, in line: [UInt8]) async -> [UInt8]? {
        switch request {
        case .success(let request): await methods.answer(request, in: line)
        case .failure(let invalid): Answer.failure(.invalidRequest(invalid), id: invalid.id)
        }
    }
}
