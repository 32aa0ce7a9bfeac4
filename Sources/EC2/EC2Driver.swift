// Amazon EC2, or whatever speaks its API, as a storage world.
//
// The driver has no state that matters: EC2 is asked each time. What it remembers is which names it gives away at this
// moment, and which made trouble. Waits end with their task; one volume's does not hold another's up.
public import AWSWire
public import Driver
public import Platform
import Synchronization

/// The volumes of an account in one region of EC2.
public final class EC2Driver: StorageDriver {
    public static let name = "ec2"

    let client: EC2Client
    let translator: Translator
    let patience: Patience
    let names: DeviceNames
    let locks = KeyedLocks<Claim>()
    let volumeBatches: DescribeBatches<VolumeItem>
    let instanceBatches: DescribeBatches<InstanceItem>
    let statusBatches: DescribeBatches<VolumeStatusItem>
    let initializations = Mutex(InitializationMemory())
    /// Where snapshots lie that this driver copied to other regions: their ids do not tell.
    let regionsOfCopies = Mutex<[SnapshotID: String]>([:])
    /// What volumes are encrypted with that are to be; `nil` for the account's own.
    let volumeKey: String?
    private let access: EC2Access
    private let transport: any WireTransport

    /// Names that are given to one at a time.
    enum Claim: Hashable, Sendable {
        case volume(String)
        case snapshot(String, region: String)
        /// A client token of what EC2 has none for.
        case token(String)
    }

    /// EC2's own limit is higher, but moderate calls fail seldom. Source: aws-ebs-csi-driver's batches.
    private static let instancesPerCall = 50

    /// - Parameters:
    ///   - scope: what all volumes and snapshots have that it may see; `nil` for all of the account.
    ///   - volumeKey: the KMS key of new volumes that are to be encrypted, as id, alias or ARN; `nil` for the account's.
    /// - Throws: `WireError.invalidEndpoint`.
    public init(
        _ access: EC2Access, scope: EC2Scope? = nil, volumeKey: String? = nil, transport: any WireTransport,
        clock: any Clock, random: any RandomSource
    ) throws(WireError) {
        let client = try EC2Client(access, transport: transport, clock: clock, random: random)
        let limits = access.limits
        self.client = client
        self.access = access
        self.volumeKey = volumeKey
        self.transport = transport
        translator = Translator(region: access.region, scope: scope)
        patience = Patience(limits: limits, clock: clock, random: random)
        names = DeviceNames(clock: clock)
        volumeBatches = DescribeBatches(limits: limits, idsPerCall: limits.idsPerCall, clock: clock) { ids in
            try await describeKnown(ids, unknown: .volumeNotFound) { ids in
                let answer = try await client.send(DescribeVolumes(volumeId: ids))
                return Dictionary(answer.volumeSet.map { ($0.volumeId, $0) }) { $1 }
            }
        }
        instanceBatches = DescribeBatches(limits: limits, idsPerCall: Self.instancesPerCall, clock: clock) { ids in
            try await describeKnown(ids, unknown: .instanceNotFound) { ids in
                let answer = try await client.send(DescribeInstances(instanceId: ids))
                return Dictionary(answer.instances.map { ($0.instanceId, $0) }) { $1 }
            }
        }
        var hasty = access
        hasty.limits.requestTime = min(limits.requestTime, Self.initializationTime)
        let hastyClient = try EC2Client(hasty, transport: transport, clock: clock, random: random)
        statusBatches = DescribeBatches(limits: limits, idsPerCall: limits.idsPerCall, clock: clock) { ids in
            try await describeKnown(ids, unknown: .volumeNotFound) { ids in
                let answer = try await hastyClient.send(DescribeVolumeStatus(volumeId: ids), repeating: false)
                return Dictionary(answer.volumeStatusSet.map { ($0.volumeId, $0) }) { $1 }
            }
        }
    }

    /// The region's, or another one's: at the endpoint that was given, unless it is that of a region.
    func client(of region: String) throws -> EC2Client {
        if region == access.region { return client }
        try checkRegionName(region, "region")
        var other = access
        other.region = region
        other.endpoint = access.endpoint?.inRegion(region, insteadOf: access.region)
        return try EC2Client(other, transport: transport, clock: client.clock, random: client.random)
    }

    public func describeDriver() async throws -> DriverDescription {
        DriverDescription(
            name: Self.name, region: access.region,
            capabilities: [.multiAttach, .modifyVolumes, .snapshots, .copyVolumes],
            volumeTypes: [.standard, .gp2, .gp3, .io1, .io2, .st1, .sc1])
    }

    public func describeZones() async throws -> [Zone] {
        let zones = try await client.send(DescribeAvailabilityZones()).availabilityZoneInfo
        return zones.map { Zone(name: ZoneName($0.zoneName), region: $0.regionName ?? access.region) }
            .sorted { $0.name < $1.name }
    }

    public func describeInstances() async throws -> [Instance] {
        let items = try await allPages { token in
            let answer = try await client.send(
                DescribeInstances(maxResults: client.limits.idsPerCall, nextToken: token))
            return (answer.instances, answer.nextToken)
        }
        return items.compactMap(translator.instance).sorted { $0.id < $1.id }
    }

    /// Confirms an instance that EC2 has; it makes none.
    public func registerInstance(_ request: RegisterInstanceRequest) async throws -> Instance {
        let id = request.id ?? InstanceID(request.name)
        let instance = try await instance(id)
        guard request.zone.rawValue.isEmpty || instance.zone == request.zone else {
            throw StorageError(
                .incorrectState, "The instance '\(id)' is in availability zone \(instance.zone), not \(request.zone)")
        }
        return instance
    }

    /// - Throws: `InvalidInstanceID.NotFound`.
    func instance(_ id: InstanceID) async throws -> Instance {
        guard let instance = translator.instance(try await instanceItem(id)) else {
            throw StorageError.instanceNotFound(id)
        }
        return instance
    }

    /// A malformed id would be refused together with those that are asked for in the same call.
    func instanceItem(_ id: InstanceID) async throws -> InstanceItem {
        guard id.isWellFormedInstanceID, let item = try await instanceBatches.item(id.rawValue) else {
            throw StorageError.instanceNotFound(id)
        }
        return item
    }

    /// All that comes page by page.
    func allPages<Item>(_ page: (String?) async throws -> (items: [Item], next: String?)) async throws -> [Item] {
        var items: [Item] = []
        var token: String?
        repeat {
            let (more, next) = try await page(token)
            items += more
            guard next == nil || next != token else {
                throw StorageError(.internalError, "\(client.endpoint) gives one page again and again")
            }
            token = next
        } while token != nil
        return items
    }
}
