// The one door to the volumes of this host.
//
// Invariants:
// - All that changes a volume here happens under the volume's lock; volumes do not wait for each other.
// - What is mounted is asked of mountinfo each time; the book only says who wants it so, and is written before
//   anything is attached and after nothing is attached any more.
// - Nothing is unmounted or detached while somebody's mount namespace still shows it, unless by force.
// - What changes things runs to its end even when its caller has gone away; each step has a deadline.

import Driver
import Logging
import Platform
import Synchronization
import SystemPackage

/// The volumes of this host, for the command line and for Docker alike, so that both count the same references.
public final class VolumeManager: Sendable {
    let region: Region
    let instance: Instance
    let settings: HostSettings
    let machine: any Machine
    let clock: any Clock
    let logger: Logger
    let locks: VolumeLocks
    let store: ReferenceStore
    /// Where volumes are mounted, without symbolic links, as mountinfo shows it.
    let mountRoot: String
    let background = Mutex(Background())

    /// Tasks that nobody waits for.
    struct Background {
        var lingering: [VolumeID: (ticket: Int, task: Task<Void, Never>)] = [:]
        var nextTicket = 0
        var sweep: Task<Void, Never>?
        var isShutDown = false
    }

    /// Reconciles what is recorded with the machine's mounts and the driver's attachments, then is ready.
    ///
    /// Attached volumes' files must be readable by then: they are asked for their loop devices.
    public convenience init(
        driver: any StorageDriver, instance: Instance, settings: HostSettings, clock: any Clock,
        random: any RandomSource, logger: Logger
    ) async throws {
        try await self.init(
            driver: driver, instance: instance, settings: settings,
            machine: LinuxMachine(settings: settings, clock: clock, logger: logger), clock: clock, logger: logger)
    }

    /// - Parameter machine: another one than this, in tests.
    public init(
        driver: any StorageDriver, instance: Instance, settings: HostSettings, machine: any Machine,
        clock: any Clock, logger: Logger
    ) async throws {
        region = Region(driver: driver, clock: clock, deadline: settings.commandDeadline)
        self.instance = instance
        self.settings = settings
        self.machine = machine
        self.clock = clock
        self.logger = logger
        try settings.validate()
        locks = VolumeLocks(clock: clock)
        mountRoot = try Self.makeDirectories(settings)
        store = try ReferenceStore(path: settings.referencesPath, logger: logger)
        if machine.isPrivileged { try await reconcile() }
        await settleMigrations()
        startSweeping()
    }

    private static func makeDirectories(_ settings: HostSettings) throws -> String {
        do {
            try createDirectories(FilePath(settings.mountRoot))
            return try resolvedPath(FilePath(settings.mountRoot)).string
        } catch {
            throw StorageError(
                .hostOperationFailed, "'\(settings.mountRoot)' could not be made", cause: "\(error)",
                advice: "run as root, or set EBB_HOME to a directory of yours")
        }
    }

    // MARK: Looking

    /// Every volume of the region, as this host sees it.
    public func volumes() async throws -> [HostVolume] {
        let mounts = try machine.mounts()
        return try await region.allVolumes().map { hostVolume($0, mounts: mounts) }
    }

    /// One volume; `InvalidVolume.NotFound` if there is none.
    public func volume(_ reference: VolumeReference) async throws -> HostVolume {
        hostVolume(try await region.volume(reference), mounts: try machine.mounts())
    }

    /// Every mount of this host.
    public func mounts() throws -> [MountInfo] { try machine.mounts() }

    /// Volume id → holder id → count.
    public func references() async -> [String: [String: Int]] { store.current.counts }

    private func hostVolume(_ volume: Volume, mounts: [MountInfo]) -> HostVolume {
        guard let attachment = attachmentHere(volume) else { return HostVolume(volume: volume) }
        var path: String?
        if let number = store.current[volume.id]?.device?.number {
            path = mounts.first { $0.deviceNumber == number && isManaged($0) }
                .map { settings.userPath(at: $0.mountPoint) }
        }
        return HostVolume(volume: volume, mountPath: path, device: attachment.device)
    }

    // MARK: Creating

    /// Creates a volume. Fills in this host's defaults; checks name, filesystem and mount options. One that is made from
    /// a snapshot or another volume has the filesystem of that. A copy of another volume is `creating` at first: `sound`
    /// waits for it.
    public func create(_ request: CreateVolumeRequest) async throws -> HostVolume {
        var request = request
        if let name = request.tags[Tag.name] { try VolumeName.validate(name) }
        if let options = request.tags[Tag.mountOptions] { try Self.validate(mountOptions: options) }
        if request.snapshotID == nil, request.sourceVolumeID == nil {
            let fsType = try FileSystemType(validating: request.tags[Tag.fsType] ?? settings.fsType)
            request.tags[Tag.fsType] = fsType.rawValue
            request.sizeGiB = request.sizeGiB ?? settings.volumeSizeGiB
        } else {
            try await inheritFileSystem(&request)
        }
        if request.type == nil {
            request.type = settings.volumeType
            request.iops = request.iops ?? settings.volumeIOPS
        }
        return HostVolume(volume: try await region.create(request))
    }

    /// A volume when it can be used. Waits for one that is `creating`, for as long as an operation may take.
    ///
    /// - Throws: `DeadlineExceeded` if it is `creating` even then; `IncorrectState`, with the reason, for one in `error`.
    public func sound(_ volume: Volume) async throws -> Volume {
        try await sound(volume, until: clock.uptime() + settings.operationDeadline)
    }

    private func sound(_ volume: Volume, until end: Duration) async throws -> Volume {
        var volume = volume
        while volume.state == .creating {
            guard clock.uptime() < end else {
                throw StorageError(
                    .deadlineExceeded, "Volume \(title(volume)) is 'creating' for longer than anybody waits",
                    advice: "try again when 'ebb volume ls' shows it as available")
            }
            try await clock.sleep(for: Self.creationPoll)
            volume = try await region.volume(.id(volume.id))
        }
        try volume.requireSound()
        return volume
    }

    /// How often a volume is asked for that is `creating`.
    private static let creationPoll = Duration.milliseconds(200)

    static func validate(mountOptions: String) throws(StorageError) {
        let isPlain = mountOptions.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        guard isPlain, mountOptions.utf8.count <= 1024 else {
            throw StorageError(
                .invalidParameterValue, "Mount options '\(mountOptions.prefix(80))' are not valid",
                advice: "give them comma-separated and without spaces, such as 'noatime,discard'")
        }
    }

    // MARK: What all operations share

    /// Runs `body` with the volume as it is then, and nothing else running on it.
    ///
    /// Waiting for one's turn ends when the caller is cancelled; once begun, the body runs to its end.
    ///
    /// - Parameter sound: whether one that is `creating` is waited for first, and one in `error` refused.
    func exclusively<Value: Sendable>(
        _ reference: VolumeReference, sound isAwaited: Bool = false,
        _ body: @escaping @Sendable (Volume) async throws -> Value
    ) async throws -> Value {
        let end = clock.uptime() + settings.operationDeadline
        let found = try await region.volume(reference)
        if isAwaited { _ = try await sound(found, until: end) }
        return try await locks.withLock(found.id, until: end) {
            try await Task { try await body(try await self.region.volume(.id(found.id))) }.value
        }
    }

    /// The same for several volumes, each of them once. They are taken in one order, so that nobody waits in a circle.
    func exclusively<Value: Sendable>(
        _ ids: [VolumeID], _ body: @escaping @Sendable ([Volume]) async throws -> Value
    ) async throws -> Value {
        let end = clock.uptime() + settings.operationDeadline
        let ids = Set(ids).sorted()
        return try await withLocks(ids[...], until: end) {
            try await Task { try await body(try await self.region.volumes(ids: ids)) }.value
        }
    }

    private func withLocks<Value: Sendable>(
        _ ids: ArraySlice<VolumeID>, until end: Duration, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        guard let first = ids.first else { return try await body() }
        return try await locks.withLock(first, until: end) {
            try await self.withLocks(ids.dropFirst(), until: end, body)
        }
    }

    func attachmentHere(_ volume: Volume) -> Attachment? {
        volume.attachments.first { $0.instanceID == instance.id && $0.state == .attached }
    }

    /// Whether it is one of the mounts that this manager makes.
    func isManaged(_ mount: MountInfo) -> Bool { mount.mountPoint.hasPrefix(mountRoot + "/") }

    func requirePrivilege(_ what: String) throws(StorageError) {
        guard machine.isPrivileged else {
            throw StorageError(
                .unsupportedOperation, "\(what) needs root",
                advice: "run the daemon as root, or use the attachment's file as the device")
        }
    }

    /// Repeats what is refused because the volume is held elsewhere, for as long as another host may linger.
    func waitingWhileInUse<Value: Sendable>(
        _ operation: @Sendable () async throws -> Value
    ) async throws -> Value {
        let end = clock.uptime() + settings.inUseWait
        while true {
            do {
                return try await operation()
            } catch let error as StorageError where error.code == .volumeInUse {
                if clock.uptime() >= end { throw error }
                try await clock.sleep(for: .milliseconds(200))
            }
        }
    }

    /// `vol-… (name)`, for messages.
    func title(_ volume: Volume) -> String {
        volume.name.isEmpty ? "'\(volume.id)'" : "'\(volume.id)' ('\(volume.name)')"
    }
}
