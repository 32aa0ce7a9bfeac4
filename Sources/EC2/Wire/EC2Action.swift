/// A call of EC2's Query API: its parameters are the value's fields, and `Answer` is what comes back.
///
/// The types of this folder are what crosses the wire, in either direction. Their fields are spelled as the wire spells
/// them, so that no table of names stands between: `volumeId` is the parameter `VolumeId`, or the element `<volumeId>`.
/// A list `volumeId` is `VolumeId.1`, `VolumeId.2`, …; a list `volumeSet` is `<volumeSet><item>…`. A field that is `nil`,
/// or an empty list, is left out. Source: Amazon EC2 Developer Guide, "Query API", and the API's model.
protocol EC2Action: Codable, Sendable {
    associatedtype Answer: Codable & Sendable

    /// Whether doing it twice is doing it once. Otherwise a call that may have been done is not repeated.
    var isRepeatable: Bool { get }
}

extension EC2Action {
    /// `CreateVolume`.
    static var name: String { String(describing: Self.self) }

    static var version: String { "2016-11-15" }
}

/// Describes: nothing changes.
protocol EC2Question: EC2Action {}

extension EC2Question {
    var isRepeatable: Bool { true }
}

/// The answer of an action that gives nothing but that it was done.
struct Done: Codable, Sendable {}

struct Filter: Codable, Sendable, Hashable {
    let name: String
    /// One of these; `*` and `?` stand for others, unless a `\` is before them.
    let value: [String]

    init(_ name: String, _ value: [String]) {
        self.name = name
        self.value = value
    }

    /// Those of whom exactly this is true.
    init(_ name: String, exactly values: [String]) {
        self.init(name, values.map(Self.escaped))
    }

    private static func escaped(_ value: String) -> String {
        value.reduce(into: "") { text, character in
            if #"*?\"#.contains(character) { text.append(#"\"#) }
            text.append(character)
        }
    }
}

/// A tag of a resource. A value may be empty, but not missing.
struct TagItem: Codable, Sendable, Hashable {
    let key: String
    let value: String

    init(key: String, value: String) {
        self.key = key
        self.value = value
    }

    /// An empty element counts as a missing one elsewhere.
    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        key = try fields.decode(String.self, forKey: .key)
        value = try fields.decodeIfPresent(String.self, forKey: .value) ?? ""
    }
}

/// Tags for what an action makes.
struct TagSpecification: Codable, Sendable, Hashable {
    let resourceType: String
    let tag: [TagItem]

    /// None for no tags: EC2 refuses an empty list.
    static func all(_ resourceType: String, _ tags: [String: String]) -> [TagSpecification] {
        tags.isEmpty ? [] : [TagSpecification(resourceType: resourceType, tag: .sorted(tags))]
    }
}

extension [TagItem] {
    static func sorted(_ tags: [String: String]) -> [TagItem] {
        tags.sorted { $0.key < $1.key }.map { TagItem(key: $0.key, value: $0.value) }
    }

    var byKey: [String: String] { Dictionary(map { ($0.key, $0.value) }) { $1 } }
}
