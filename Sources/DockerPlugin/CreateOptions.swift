import Driver

/// What `docker volume create --opt key=value` asks for: a pure reading of the keys, with none silently ignored.
///
/// The keys are REX-Ray's (0.3's and 0.4's) and `fstype`, in any case. Values that depend on the region, such as
/// which types and zones there are, are left to the driver.
struct CreateOptions: Hashable, Sendable {
    var size: VolumeSize?
    var type: VolumeType?
    var iops: Int?
    var throughputMiBps: Int?
    var zone: ZoneName?
    var fsType: String?
    var mountOptions: String?
    var isEncrypted = false
    /// What the volume's first content is; `nil` for an empty volume.
    var source: Source?

    enum Source: Hashable, Sendable {
        case snapshot(SnapshotID)
        case snapshotNamed(String)
        case volume(VolumeReference)
    }

    enum Key: String, CaseIterable {
        case availabilityzone
        case encrypted
        case fstype
        case iops
        case mountoptions
        case newfstype
        case overwritefs
        case size
        case snapshotid
        case snapshotname
        case throughput
        case type
        case volumeid
        case volumename
        case volumetype

        /// What can be said only once gives the same name here.
        var subject: Key {
            switch self {
            case .newfstype: .fstype
            case .type: .volumetype
            case .snapshotname, .volumeid, .volumename: .snapshotid
            default: self
            }
        }
    }

    /// - Throws: `UnknownParameter` with the list of valid keys, `InvalidParameterValue`, and
    ///   `InvalidParameterCombination` for two names of one thing or two sources.
    init(parsing options: [String: String]) throws(StorageError) {
        var seen: [Key: String] = [:]
        for (text, value) in options.sorted(by: { $0.key < $1.key }) {
            let key = try Self.key(text)
            if let other = seen.updateValue(text, forKey: key.subject) {
                throw StorageError(
                    .invalidParameterCombination, "Options \(other) and \(text) exclude one another",
                    advice: "give one of them")
            }
            if value.isEmpty { throw Self.invalid(key, value, "it is empty", "give it a value or leave it out") }
            try set(key, to: value)
        }
    }

    private static func key(_ text: String) throws(StorageError) -> Key {
        if let key = Key(rawValue: text.lowercased()) { return key }
        let valid = Key.allCases.map(\.rawValue).joined(separator: ", ")
        throw StorageError(
            .unknownParameter, "Option \(text) is not known", advice: "valid options are \(valid)")
    }

    private mutating func set(_ key: Key, to value: String) throws(StorageError) {
        switch key {
        case .size: size = try VolumeSize(parsing: value)
        case .iops: iops = try Self.positive(key, value)
        case .throughput: throughputMiBps = try Self.positive(key, value)
        case .volumetype, .type: type = VolumeType(value.lowercased())
        case .availabilityzone: zone = ZoneName(value)
        case .fstype, .newfstype: fsType = try Self.fileSystem(key, value)
        case .mountoptions: mountOptions = try Self.mountOptions(value)
        case .encrypted: isEncrypted = try Self.boolean(key, value)
        // A new volume is blank: it is formatted whether or not overwriting is allowed.
        case .overwritefs: _ = try Self.boolean(key, value)
        case .snapshotid: source = .snapshot(SnapshotID(value))
        case .snapshotname: source = .snapshotNamed(value)
        case .volumeid: source = .volume(.id(VolumeID(value)))
        case .volumename: source = .volume(.name(value))
        }
    }

    private static func positive(_ key: Key, _ value: String) throws(StorageError) -> Int {
        guard value.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), let number = Int(value),
            number > 0
        else { throw invalid(key, value, "it is not a positive whole number", "write it in digits, or leave it out") }
        return number
    }

    private static func fileSystem(_ key: Key, _ value: String) throws(StorageError) -> String {
        let name = value.lowercased()
        if ["ext4", "xfs"].contains(name) { return name }
        throw invalid(key, value, "it is not a filesystem that volumes are formatted with", "use ext4 or xfs")
    }

    private static func mountOptions(_ value: String) throws(StorageError) -> String {
        if value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) { return value }
        throw invalid(
            .mountoptions, value, "it holds a space or a character that is not ASCII",
            "write it as mount -o takes it, such as noatime,discard")
    }

    private static func boolean(_ key: Key, _ value: String) throws(StorageError) -> Bool {
        switch value.lowercased() {
        case "true", "1", "yes", "on": return true
        case "false", "0", "no", "off": return false
        default: throw invalid(key, value, "it is neither true nor false", "write true or false")
        }
    }

    private static func invalid(_ key: Key, _ value: String, _ cause: String, _ advice: String) -> StorageError {
        StorageError(
            .invalidParameterValue, "Value (\(value)) for parameter \(key.rawValue) is invalid", cause: cause,
            advice: advice)
    }
}

extension StorageError.Code {
    /// EC2's common error for a parameter that no action takes.
    static let unknownParameter = StorageError.Code("UnknownParameter")
}
