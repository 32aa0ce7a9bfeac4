// Tags, zones and instances on the wire. Source: the API's actions of the same names.

struct CreateTags: EC2Action {
    typealias Answer = Done

    var resourceId: [String]
    var tag: [TagItem]

    var isRepeatable: Bool { true }
}

struct DeleteTags: EC2Action {
    typealias Answer = Done

    var resourceId: [String]
    var tag: [Key]

    /// Whatever its value is.
    struct Key: Codable, Sendable { var key: String }

    var isRepeatable: Bool { true }
}

struct DescribeAvailabilityZones: EC2Question {
    struct Answer: Codable, Sendable { let availabilityZoneInfo: [ZoneItem] }

    var zoneName: [String] = []
}

struct DescribeInstances: EC2Question {
    struct Answer: Codable, Sendable {
        let reservationSet: [Reservation]
        let nextToken: String?

        var instances: [InstanceItem] { reservationSet.flatMap(\.instancesSet) }
    }

    struct Reservation: Codable, Sendable { let instancesSet: [InstanceItem] }

    var instanceId: [String] = []
    var filter: [Filter] = []
    var maxResults: Int?
    var nextToken: String?
}

struct ZoneItem: Codable, Sendable, Hashable {
    let zoneName: String
    let regionName: String?
    let zoneState: String?
}

struct InstanceItem: Codable, Sendable, Hashable {
    let instanceId: String
    let instanceState: State
    let instanceType: String?
    let placement: Placement?
    let privateDnsName: String?
    let rootDeviceName: String?
    let blockDeviceMapping: [Device]
    let tagSet: [TagItem]

    struct State: Codable, Sendable, Hashable {
        /// `pending`, `running`, `shutting-down`, `terminated`, `stopping`, `stopped`.
        let name: String
    }

    struct Placement: Codable, Sendable, Hashable { let availabilityZone: String? }

    struct Device: Codable, Sendable, Hashable {
        let deviceName: String?
        let ebs: Volume?

        struct Volume: Codable, Sendable, Hashable { let volumeId: String? }
    }
}
