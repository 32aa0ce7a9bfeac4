/// Work on snapshots that takes as long as their bytes need: carrying them away, fetching them, checking the store.
///
/// A task is begun, then watched, and goes on though nobody watches. What it left half done is taken up by the next one
/// of the same kind; nothing that is half done can be seen as a snapshot.
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `task-` and 17 lower-case hexadecimal digits.
public typealias SnapshotTaskID = Identifier<SnapshotTask>

public struct SnapshotTask: Hashable, Sendable, Codable {
    public var id: SnapshotTaskID
    public var action: Action
    /// What is carried away; once it is known, what an import or a pull made. `nil` for a check.
    public var snapshotID: SnapshotID?
    public var location: String?
    public var state: State
    /// Why it failed.
    public var error: StorageError?
    public var doneBytes: Int64
    /// 0 while it is not known.
    public var totalBytes: Int64
    /// What needed not to be sent or read, since it was there; part of `doneBytes`.
    public var presentBytes: Int64
    public var startTime: Date
    /// Present once it is not `active`.
    public var endTime: Date?
    /// What a check found, once it is `completed`.
    public var report: SnapshotReport?

    public init(
        id: SnapshotTaskID, action: Action, snapshotID: SnapshotID? = nil, location: String? = nil, state: State,
        error: StorageError? = nil, doneBytes: Int64 = 0, totalBytes: Int64 = 0, presentBytes: Int64 = 0,
        startTime: Date, endTime: Date? = nil, report: SnapshotReport? = nil
    ) {
        self.id = id
        self.action = action
        self.snapshotID = snapshotID
        self.location = location
        self.state = state
        self.error = error
        self.doneBytes = doneBytes
        self.totalBytes = totalBytes
        self.presentBytes = presentBytes
        self.startTime = startTime
        self.endTime = endTime
        self.report = report
    }

    public enum Action: String, Sendable, Codable, CaseIterable {
        /// Into one file.
        case export
        /// From such a file.
        case `import`
        /// Into a directory or a bucket, whose blocks are not sent again.
        case push
        /// From there.
        case pull
        /// Reads the whole store and counts its references again.
        case check
    }

    public enum State: String, Sendable, Codable, CaseIterable {
        case active
        case completed
        case error
        /// As `cancelSnapshotTask` wished.
        case cancelled
    }
}

public struct SnapshotTaskRequest: Hashable, Sendable, Codable {
    public var action: SnapshotTask.Action
    /// What to export or push; which of the location's to pull, by its id there or its name: `nil` for the only one.
    public var snapshotID: SnapshotID?
    /// Where to or from, on the driver's machine: a file's absolute path for `export` and `import`, a directory's or
    /// `s3://BUCKET/PREFIX` for `push` and `pull`.
    public var location: String?
    /// The URL of an S3-compatible store; `nil` for the configured one.
    public var endpoint: String?
    /// What an import or a pull shall be called; `nil` for what it was.
    public var name: String?
    /// Of an import or a pull; `nil` for what it was.
    public var description: String?
    /// Whether a push asks for each block, and so mends a location that has lost some.
    public var isThorough: Bool?

    public init(
        action: SnapshotTask.Action, snapshotID: SnapshotID? = nil, location: String? = nil,
        endpoint: String? = nil, name: String? = nil, description: String? = nil, isThorough: Bool? = nil
    ) {
        self.action = action
        self.snapshotID = snapshotID
        self.location = location
        self.endpoint = endpoint
        self.name = name
        self.description = description
        self.isThorough = isThorough
    }
}

/// What a check of the snapshot store found.
public struct SnapshotReport: Hashable, Sendable, Codable {
    public var snapshotCount: Int
    public var objectCount: Int
    public var objectBytes: Int64
    /// Empty for a store in order.
    public var findings: [SnapshotFinding]
    /// How many more there are than `findings` has; `nil` for none.
    public var omittedCount: Int?

    public init(
        snapshotCount: Int, objectCount: Int, objectBytes: Int64, findings: [SnapshotFinding] = [],
        omittedCount: Int? = nil
    ) {
        self.snapshotCount = snapshotCount
        self.objectCount = objectCount
        self.objectBytes = objectBytes
        self.findings = findings
        self.omittedCount = omittedCount
    }
}

/// One thing in the snapshot store that is not as it should be.
public struct SnapshotFinding: Hashable, Sendable, Codable {
    public var kind: Kind
    /// The object's name, its SHA-256.
    public var object: String
    /// A snapshot that it spoils; `nil` where none is.
    public var snapshotID: SnapshotID?
    /// The block of that snapshot; `nil` for an object that is more than one block.
    public var blockIndex: SnapshotBlockIndex?
    /// In one sentence.
    public var message: String

    public init(
        kind: Kind, object: String, snapshotID: SnapshotID? = nil, blockIndex: SnapshotBlockIndex? = nil,
        message: String
    ) {
        self.kind = kind
        self.object = object
        self.snapshotID = snapshotID
        self.blockIndex = blockIndex
        self.message = message
    }

    public enum Kind: String, Sendable, Codable, CaseIterable {
        case missing
        case damaged
        /// Its count of references is not what the manifests say.
        case miscounted
        /// Nothing refers to it.
        case unreferenced
    }
}
