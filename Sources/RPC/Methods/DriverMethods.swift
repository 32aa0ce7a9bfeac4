import Driver

/// The `Ebb.` methods that carry `StorageDriver`, one for each of its calls. `RemoteDriver` speaks these.
///
/// They act on the region that the daemon stands before, whichever instance a volume is on.
public enum Ebb {
    public enum DescribeDriver: RPCMethod {
        public static let name = "Ebb.DescribeDriver"
        public static let isRepeatable = true
        public typealias Parameters = Empty
        public typealias Result = DriverDescription
    }

    public enum DescribeZones: RPCMethod {
        public static let name = "Ebb.DescribeZones"
        public static let isRepeatable = true
        public typealias Parameters = Empty
        public struct Result: Hashable, Sendable, Codable {
            public var zones: [Zone]
            public init(zones: [Zone]) { self.zones = zones }
        }
    }

    public enum DescribeInstances: RPCMethod {
        public static let name = "Ebb.DescribeInstances"
        public static let isRepeatable = true
        public typealias Parameters = Empty
        public struct Result: Hashable, Sendable, Codable {
            public var instances: [Instance]
            public init(instances: [Instance]) { self.instances = instances }
        }
    }

    public enum RegisterInstance: RPCMethod {
        public static let name = "Ebb.RegisterInstance"
        public static let isRepeatable = true
        public typealias Parameters = RegisterInstanceRequest
        public typealias Result = Instance
    }

    /// One page holds all that match, unless `maxResults` says otherwise.
    public enum DescribeVolumes: RPCMethod {
        public static let name = "Ebb.DescribeVolumes"
        public static let isRepeatable = true
        public typealias Parameters = VolumeQuery
        public typealias Result = VolumePage
    }

    /// Repeatable only together with a client token.
    public enum CreateVolume: RPCMethod {
        public static let name = "Ebb.CreateVolume"
        public typealias Parameters = CreateVolumeRequest
        public typealias Result = Volume
    }

    public enum DeleteVolume: RPCMethod {
        public static let name = "Ebb.DeleteVolume"
        public struct Parameters: Hashable, Sendable, Codable {
            public var volumeID: VolumeID
            public init(volumeID: VolumeID) { self.volumeID = volumeID }
        }
        public typealias Result = Empty
    }

    public enum AttachVolume: RPCMethod {
        public static let name = "Ebb.AttachVolume"
        public typealias Parameters = AttachVolumeRequest
        public typealias Result = Attachment
    }

    public enum DetachVolume: RPCMethod {
        public static let name = "Ebb.DetachVolume"
        public typealias Parameters = DetachVolumeRequest
        public typealias Result = Empty
    }

    public enum ModifyTags: RPCMethod {
        public static let name = "Ebb.ModifyTags"
        public static let isRepeatable = true
        public typealias Parameters = ModifyTagsRequest
        public typealias Result = Volume
    }

    /// What volumes did and may do. An empty or missing list of ids asks for all.
    public enum GetVolumeStatistics: RPCMethod {
        public static let name = "Ebb.GetVolumeStatistics"
        public static let isRepeatable = true
        public struct Parameters: Hashable, Sendable, Codable {
            public var ids: [VolumeID]?
            public init(ids: [VolumeID]? = nil) { self.ids = ids }
        }
        public struct Result: Hashable, Sendable, Codable {
            public var volumes: [VolumeStatistics]
            public init(volumes: [VolumeStatistics]) { self.volumes = volumes }
        }
    }

    /// CloudWatch's metrics of the last hours.
    public enum GetMetricData: RPCMethod {
        public static let name = "Ebb.GetMetricData"
        public static let isRepeatable = true
        public typealias Parameters = MetricDataQuery
        public struct Result: Hashable, Sendable, Codable {
            public var series: [MetricSeries]
            public init(series: [MetricSeries]) { self.series = series }
        }
    }

    /// Not repeatable: the same call again is a further modification, and counts.
    public enum ModifyVolume: RPCMethod {
        public static let name = "Ebb.ModifyVolume"
        public typealias Parameters = ModifyVolumeRequest
        public typealias Result = VolumeModification
    }

    /// The latest of each volume.
    public enum DescribeVolumeModifications: RPCMethod {
        public static let name = "Ebb.DescribeVolumeModifications"
        public static let isRepeatable = true
        public typealias Parameters = VolumeModificationQuery
        public typealias Result = VolumeModificationPage
    }
}
