import Driver

/// The `Ebb.` methods for the machine's own mounts and devices, whether or not a volume is behind them.
extension Ebb {
    /// Every mount of the daemon's mount namespace, in mountinfo's order.
    public enum ListMounts: RPCMethod {
        public static let name = "Ebb.ListMounts"
        public static let isRepeatable = true
        public typealias Parameters = Empty
        public struct Result: Hashable, Sendable, Codable {
            public var mounts: [MountInfo]
            public init(mounts: [MountInfo]) { self.mounts = mounts }
        }
    }

    public enum MountDevice: RPCMethod {
        public static let name = "Ebb.MountDevice"
        public struct Parameters: Hashable, Sendable, Codable {
            public var device: String
            public var mountPoint: String
            /// Comma-separated, as `mount -o` takes them.
            public var options: String?
            /// The SELinux context for the mount's files.
            public var label: String?
            public init(device: String, mountPoint: String, options: String? = nil, label: String? = nil) {
                self.device = device
                self.mountPoint = mountPoint
                self.options = options
                self.label = label
            }
        }
        public typealias Result = Empty
    }

    public enum UnmountDevice: RPCMethod {
        public static let name = "Ebb.UnmountDevice"
        public struct Parameters: Hashable, Sendable, Codable {
            public var mountPoint: String
            public init(mountPoint: String) { self.mountPoint = mountPoint }
        }
        public typealias Result = Empty
    }

    /// Makes a filesystem on a blank device; `DeviceNotBlank` otherwise, unless `overwrite`.
    public enum FormatDevice: RPCMethod {
        public static let name = "Ebb.FormatDevice"
        public struct Parameters: Hashable, Sendable, Codable {
            public var device: String
            /// `ext4` or `xfs`; `nil` for the host's default.
            public var fsType: String?
            public var overwrite: Bool?
            public init(device: String, fsType: String? = nil, overwrite: Bool? = nil) {
                self.device = device
                self.fsType = fsType
                self.overwrite = overwrite
            }
        }
        public typealias Result = Empty
    }
}
