// What a snapshot's file says of the snapshot, as JSON; docs/format.md has the fields.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What an importer is to know of a snapshot, besides its bytes.
///
/// A field that is added later does not change the version, since readers leave out what they do not know. One that
/// must not be left out does.
struct SnapshotDescription: Hashable, Codable {
    static let currentVersion = 1

    var version = currentVersion
    /// What it was called where it comes from, for people.
    var snapshotID: SnapshotID
    var region: String
    var volumeID: VolumeID
    var volumeSizeGiB: Int
    /// The instant that it holds, in milliseconds since 1970.
    var startTimeMilliseconds: Int64
    var description: String
    /// Its name among them.
    var tags: [String: String]
}

extension SnapshotDescription {
    init(_ snapshot: SnapshotRecord) {
        self.init(
            snapshotID: snapshot.id, region: snapshot.region, volumeID: snapshot.origin.reportedVolumeID,
            volumeSizeGiB: snapshot.sizeGiB, startTimeMilliseconds: snapshot.startTime.milliseconds,
            description: snapshot.text, tags: snapshot.tags)
    }

    /// The same for the same snapshot.
    var json: String { get throws { try CanonicalJSON.text(self) } }

    /// - Throws: `MalformedDescription`, `StorageError` for what no snapshot may be called.
    init(json: String) throws {
        let data = Data(json.utf8)
        do {
            let version = try JSONDecoder().decode(Version.self, from: data).version
            guard version == Self.currentVersion else {
                throw MalformedDescription(reason: "its description has version \(version), which is not known")
            }
            self = try JSONDecoder().decode(Self.self, from: data)
        } catch is DecodingError {
            throw MalformedDescription(reason: "its description cannot be understood")
        }
        guard Self.times.contains(startTimeMilliseconds), (1...Self.maximumSizeGiB).contains(volumeSizeGiB),
            volumeID.isWellFormedVolumeID
        else { throw MalformedDescription(reason: "its description has values that cannot be") }
    }

    private struct Version: Decodable {
        var version: Int
    }

    /// 1970 to 9999.
    private static let times = Int64(0)...253_402_300_799_999
    /// The largest volume.
    private static let maximumSizeGiB = 64 << 10

    var startTime: Date { Date(milliseconds: startTimeMilliseconds) }
}

/// A snapshot's file says of itself what cannot be.
struct MalformedDescription: Error, CustomStringConvertible {
    let reason: String

    var description: String { reason }
}
