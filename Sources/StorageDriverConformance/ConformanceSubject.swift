// A driver under test, with instances to attach to.
import Driver
import Synchronization

public final class ConformanceSubject: Sendable {
    public let driver: any StorageDriver
    /// Three running instances in one zone, used by nobody else.
    public let instances: [Instance]
    /// A running instance in another zone.
    public let elsewhere: Instance
    /// Where the driver's machine lets cases have files.
    let directory: String
    private let label: String
    private let lastNumber = Mutex(0)

    /// - Parameters:
    ///   - instances: three at least, in one zone.
    ///   - directory: where files can be made, on the driver's machine, which is this one.
    ///   - label: the beginning of the names of everything that the cases make.
    public init(
        driver: any StorageDriver, instances: [Instance], elsewhere: Instance, directory: String,
        label: String = "conformance"
    ) {
        precondition(instances.count >= 3 && Set(instances.map(\.zone)).count == 1)
        precondition(elsewhere.zone != instances[0].zone)
        self.driver = driver
        self.instances = instances
        self.elsewhere = elsewhere
        self.directory = directory
        self.label = label
    }

    /// A subject with new instances, for drivers that can register them.
    public static func registering(
        on driver: any StorageDriver, directory: String, label: String = "conformance"
    ) async throws -> ConformanceSubject {
        let zones = try await driver.describeZones()
        guard zones.count >= 2 else {
            throw ConformanceFailure(expected: "two zones", found: "\(zones.count)", line: #line)
        }
        var instances: [Instance] = []
        for host in ["hosta", "hostb", "hostc"] {
            instances.append(
                try await driver.registerInstance(
                    RegisterInstanceRequest(name: "\(label)-\(host)", zone: zones[0].name)))
        }
        let elsewhere = try await driver.registerInstance(
            RegisterInstanceRequest(name: "\(label)-elsewhere", zone: zones[1].name))
        return ConformanceSubject(
            driver: driver, instances: instances, elsewhere: elsewhere, directory: directory, label: label)
    }

    var zone: ZoneName { instances[0].zone }
    var first: Instance { instances[0] }
    var second: Instance { instances[1] }
    var third: Instance { instances[2] }

    /// A name, or client token, that nothing else has.
    func unique() -> String {
        lastNumber.withLock { number in
            number += 1
            return "\(label)-\(number)"
        }
    }

    /// A gp3 volume of 1 GiB in the instances' zone.
    func request(name: String? = nil) -> CreateVolumeRequest {
        CreateVolumeRequest(zone: zone, sizeGiB: 1, type: .gp3, tags: name.map { [Tag.name: $0] } ?? [:])
    }

    /// Makes a volume for `body`, which can use it, and detaches and deletes it afterwards, however that ends.
    func withVolume<Result: Sendable>(
        _ request: CreateVolumeRequest? = nil, _ body: (Volume) async throws -> Result
    ) async throws -> Result {
        let volume = try await driver.createVolume(request ?? self.request())
        return try await discarding(volume.id) { try await body(try await made(volume.id)) }
    }

    /// Detaches and deletes a volume after `body`, however that ends.
    func discarding<Result: Sendable>(_ id: VolumeID, _ body: () async throws -> Result) async throws -> Result {
        try await ending({ try await discard(id) }, after: body)
    }

    /// The volume once it is not `creating` any more.
    func made(_ id: VolumeID) async throws -> Volume {
        for _ in 0..<3_000 {
            let volume = try await volume(id)
            if volume.state != .creating { return volume }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw ConformanceFailure(expected: "\(id) to be made", found: "creating", line: #line)
    }

    /// Removes a volume that may be attached, or gone.
    func discard(_ id: VolumeID) async throws {
        do {
            for attachment in try await made(id).attachments {
                try await driver.detachVolume(
                    DetachVolumeRequest(volumeID: id, instanceID: attachment.instanceID, force: true))
            }
            try await driver.deleteVolume(id)
        } catch let error as StorageError where error.code == .volumeNotFound {
            return
        }
    }

    func volume(_ id: VolumeID) async throws -> Volume {
        let page = try await driver.describeVolumes(VolumeQuery(ids: [id]))
        guard page.volumes.count == 1, let volume = page.volumes.first else {
            throw ConformanceFailure(
                expected: "one volume \(id)", found: "\(page.volumes.count)", line: #line)
        }
        return volume
    }

    func attach(
        _ volume: Volume, to instance: Instance, device: DeviceName? = nil, preempt: Bool = false
    ) async throws -> Attachment {
        try await driver.attachVolume(
            AttachVolumeRequest(
                volumeID: volume.id, instanceID: instance.id, device: device, preempt: preempt))
    }

    func detach(_ volume: Volume, from instance: Instance? = nil) async throws {
        try await driver.detachVolume(
            DetachVolumeRequest(volumeID: volume.id, instanceID: instance?.id))
    }
}

/// Runs `body`, and then `end`, once and however that ended.
func ending<Result: Sendable>(
    _ end: () async throws -> Void, after body: () async throws -> Result
) async throws -> Result {
    let result: Result
    do {
        result = try await body()
    } catch {
        let cause = error
        do { try await end() } catch { throw LeftBehind(cause: cause, reason: error) }
        throw cause
    }
    try await end()
    return result
}

/// A case failed, and what it had made could not be removed.
struct LeftBehind: Error {
    let cause: any Error
    let reason: any Error
}
