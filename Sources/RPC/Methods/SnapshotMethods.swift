import Driver

/// The `Ebb.` methods that carry what `StorageDriver` does with snapshots, one for each of its calls.
extension Ebb {
    /// Repeatable only together with a client token.
    public enum CreateSnapshots: RPCMethod {
        public static let name = "Ebb.CreateSnapshots"
        public typealias Parameters = CreateSnapshotsRequest
        public struct Result: Hashable, Sendable, Codable {
            public var snapshots: [Snapshot]
            public init(snapshots: [Snapshot]) { self.snapshots = snapshots }
        }
    }

    /// One page holds all that match, unless `maxResults` says otherwise.
    public enum DescribeSnapshots: RPCMethod {
        public static let name = "Ebb.DescribeSnapshots"
        public static let isRepeatable = true
        public typealias Parameters = SnapshotQuery
        public typealias Result = SnapshotPage
    }

    public enum DeleteSnapshot: RPCMethod {
        public static let name = "Ebb.DeleteSnapshot"
        public struct Parameters: Hashable, Sendable, Codable {
            public var snapshotID: SnapshotID
            public init(snapshotID: SnapshotID) { self.snapshotID = snapshotID }
        }
        public typealias Result = Empty
    }

    /// Repeatable only together with a client token.
    public enum CopySnapshot: RPCMethod {
        public static let name = "Ebb.CopySnapshot"
        public typealias Parameters = CopySnapshotRequest
        public typealias Result = Snapshot
    }

    public enum ModifySnapshotTags: RPCMethod {
        public static let name = "Ebb.ModifySnapshotTags"
        public static let isRepeatable = true
        public typealias Parameters = ModifySnapshotTagsRequest
        public typealias Result = Snapshot
    }

    public enum EnableFastSnapshotRestores: RPCMethod {
        public static let name = "Ebb.EnableFastSnapshotRestores"
        public static let isRepeatable = true
        public typealias Parameters = FastSnapshotRestoreRequest
        public typealias Result = FastSnapshotRestores
    }

    public enum DisableFastSnapshotRestores: RPCMethod {
        public static let name = "Ebb.DisableFastSnapshotRestores"
        public static let isRepeatable = true
        public typealias Parameters = FastSnapshotRestoreRequest
        public typealias Result = FastSnapshotRestores
    }

    public enum DescribeFastSnapshotRestores: RPCMethod {
        public static let name = "Ebb.DescribeFastSnapshotRestores"
        public static let isRepeatable = true
        public typealias Parameters = FastSnapshotRestoreQuery
        public typealias Result = FastSnapshotRestores
    }

    public enum ListSnapshotBlocks: RPCMethod {
        public static let name = "Ebb.ListSnapshotBlocks"
        public static let isRepeatable = true
        public typealias Parameters = SnapshotBlockQuery
        public typealias Result = SnapshotBlockPage
    }

    public enum ListChangedBlocks: RPCMethod {
        public static let name = "Ebb.ListChangedBlocks"
        public static let isRepeatable = true
        public typealias Parameters = ChangedBlockQuery
        public typealias Result = ChangedBlockPage
    }

    /// A block's bytes are in base64, of which a whole block has some 683 KiB.
    public enum GetSnapshotBlock: RPCMethod {
        public static let name = "Ebb.GetSnapshotBlock"
        public static let isRepeatable = true
        public typealias Parameters = GetSnapshotBlockRequest
        public typealias Result = SnapshotBlock
    }

    /// Repeatable only together with a client token.
    public enum StartSnapshot: RPCMethod {
        public static let name = "Ebb.StartSnapshot"
        public typealias Parameters = StartSnapshotRequest
        public typealias Result = Snapshot
    }

    /// A request line holds a whole block in base64, with room to spare.
    public enum PutSnapshotBlock: RPCMethod {
        public static let name = "Ebb.PutSnapshotBlock"
        public static let isRepeatable = true
        public typealias Parameters = PutSnapshotBlockRequest
        public typealias Result = Empty
    }

    public enum CompleteSnapshot: RPCMethod {
        public static let name = "Ebb.CompleteSnapshot"
        public typealias Parameters = CompleteSnapshotRequest
        public typealias Result = Snapshot
    }

    /// Paths are the daemon's.
    public enum StartSnapshotTask: RPCMethod {
        public static let name = "Ebb.StartSnapshotTask"
        public typealias Parameters = SnapshotTaskRequest
        public typealias Result = SnapshotTask
    }

    /// An empty or missing list of ids asks for all.
    public enum DescribeSnapshotTasks: RPCMethod {
        public static let name = "Ebb.DescribeSnapshotTasks"
        public static let isRepeatable = true
        public struct Parameters: Hashable, Sendable, Codable {
            public var ids: [SnapshotTaskID]?
            public init(ids: [SnapshotTaskID]? = nil) { self.ids = ids }
        }
        public struct Result: Hashable, Sendable, Codable {
            public var tasks: [SnapshotTask]
            public init(tasks: [SnapshotTask]) { self.tasks = tasks }
        }
    }

    public enum CancelSnapshotTask: RPCMethod {
        public static let name = "Ebb.CancelSnapshotTask"
        public static let isRepeatable = true
        public struct Parameters: Hashable, Sendable, Codable {
            public var id: SnapshotTaskID
            public init(id: SnapshotTaskID) { self.id = id }
        }
        public typealias Result = Empty
    }
}

public struct FastSnapshotRestores: Hashable, Sendable, Codable {
    public var restores: [FastSnapshotRestore]
    public init(restores: [FastSnapshotRestore]) { self.restores = restores }
}
