import SystemPackage

/// The settings as the programs use them. Each was checked by `Settings.load`.
extension Settings {
    public var stateDirectory: FilePath { FilePath(self[.stateDirectory].text) }
    public var runDirectory: FilePath { FilePath(self[.runDirectory].text) }
    public var logDirectory: FilePath { FilePath(self[.logDirectory].text) }
    public var dockerDirectory: FilePath { FilePath(self[.dockerDirectory].text) }
    public var deviceDirectory: FilePath { FilePath(self[.deviceDirectory].text) }
    public var socket: FilePath { FilePath(self[.socket].text) }
    /// Holds the supervisor's process id while it runs.
    public var pidFile: FilePath { runDirectory.appending("ebbd.pid") }
    /// Where a daemon in the background writes.
    public var logFile: FilePath { logDirectory.appending("ebbd.log") }

    public var dockerNames: [String] { words(.dockerNames) }
    public var driver: StorageWorld { StorageWorld(rawValue: self[.driver].text) ?? .emulator }
    /// `nil` where none is to be served.
    public var metricsSocket: FilePath? {
        self[.metricsSocket].text.isEmpty ? nil : FilePath(self[.metricsSocket].text)
    }
    /// `nil` where none is to be served.
    public var metricsPort: UInt16? { integer(.metricsPort).flatMap(UInt16.init(exactly:)) }
    public var region: String { self[.region].text }
    /// Whole names, such as `us-east-1a`.
    public var zones: [String] { words(.zones) }
    /// A whole name, one of `zones`.
    public var zone: String { self[.zone].text }
    public var instance: String { self[.instance].text }
    /// `nil` for an instance without limits.
    public var instanceType: String? { optional(.instanceType) }
    /// `off`, `on` or `promise`.
    public var performance: String { self[.performance].text }

    public var volumeSizeGiB: Int { integer(.volumeSizeGiB) ?? 16 }
    public var volumeType: String { self[.volumeType].text }
    public var volumeIops: Int? { integer(.volumeIops) }
    public var fsType: String { self[.fsType].text }
    /// `nil` for the filesystem's own.
    public var mountOptions: String? { optional(.mountOptions) }
    public var allowsAnonymousVolumes: Bool { self[.anonymousVolumes].text == "allow" }
    /// `allow`, `refuse` or `ignore`.
    public var dockerCreate: String { self[.dockerCreate].text }
    /// `allow`, `refuse` or `ignore`.
    public var dockerRemove: String { self[.dockerRemove].text }
    /// `nil` for all of a volume.
    public var volumeRootPath: String? { optional(.volumeRootPath) }
    public var mountPreempt: Bool { self[.mountPreempt].text == "true" }
    public var detachLinger: Duration { duration(.detachLinger) }
    public var attachTimeout: Duration { duration(.attachTimeout) }

    public var modifyingTime: Duration { duration(.modifyingTime) }
    public var optimizingTime: Duration { duration(.optimizingTime) }
    public var firstTouchLatency: Duration { duration(.firstTouchLatency) }
    public var snapshotInterval: Duration { duration(.snapshotInterval) }
    public var fastRestoreEnablingTime: Duration { duration(.fastRestoreEnablingTime) }
    public var fastRestoreOptimizingTime: Duration { duration(.fastRestoreOptimizingTime) }
    public var fastRestoreDisablingTime: Duration { duration(.fastRestoreDisablingTime) }
    /// `nil` for AWS' own.
    public var s3Endpoint: String? { optional(.s3Endpoint) }
    public var s3Region: String { self[.s3Region].text }
    /// `nil` for the machine's.
    public var s3Authorities: String? { optional(.s3Authorities) }
    /// `nil` for what AWS' own settings say.
    public var ec2Endpoint: String? { optional(.ec2Endpoint) }
    /// `nil` for what AWS' own settings say.
    public var ec2Profile: String? { optional(.ec2Profile) }
    /// `nil` for what AWS' own settings say.
    public var awsAccessKey: (id: String, secret: String)? {
        self[.awsAccessKey].text.isEmpty ? nil : (self[.awsAccessKey].text, self[.awsSecretKey].text)
    }
    /// `nil` for the account's own.
    public var ec2KmsKey: String? { optional(.ec2KmsKey) }
    /// `nil` for none.
    public var ec2Tag: (key: String, value: String)? {
        let parts = self[.ec2Tag].text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }
    /// `gp3-2025` or `gp3-legacy`.
    public var volumeLimits: String { self[.volumeLimits].text }
    /// `four-a-day`, `six-hours` or `none`.
    public var modificationRate: String { self[.modificationRate].text }

    /// `panic`, `fatal`, `error`, `warn`, `info`, `debug` or `trace`.
    public var logLevel: String { self[.logLevel].text }
    public var lanes: Int { integer(.lanes) ?? 4 }

    private func optional(_ setting: Setting) -> String? { self[setting].text.isEmpty ? nil : self[setting].text }
    private func words(_ setting: Setting) -> [String] { Setting.Kind.words(self[setting].text) }
    private func integer(_ setting: Setting) -> Int? { Int(self[setting].text) }
    private func duration(_ setting: Setting) -> Duration { Setting.Kind.duration(self[setting].text) ?? .zero }
}
