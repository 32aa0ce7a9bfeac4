public import BlockStore
public import Driver
public import Platform
import Synchronization
public import SystemPackage

#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

/// What the filesystem shows: the door between the region, which decides, and FUSE, which serves.
///
/// The region changes it after each commit; FUSE threads read it. It lives in memory alone: the catalog is the
/// truth, and fills a new process's table before its filesystem starts. The lock is held for a look-up, never
/// over a system call.
public final class ExportTable: Sendable {
    /// Where the volumes' bytes are, under their ids.
    public let volumes: TrackedVolumes
    let firstTouch = FirstTouchLatency()
    let state = Mutex(ExportState())
    let delays: DelayQueue
    private let clock: any Clock

    /// - Parameters:
    ///   - volumes: hold each volume's bytes under the volume's id.
    ///   - clock: times I/O; the machine's own where a kernel is served.
    /// - Throws: what making a timer does: too many open files, no memory.
    public init(volumes: TrackedVolumes, clock: any Clock) throws(Errno) {
        self.volumes = volumes
        self.clock = clock
        delays = try DelayQueue(clock: clock)
    }

    /// With the volumes of a store, in this boot.
    ///
    /// - Parameter report: told of each block of a snapshot that could not be had.
    public convenience init(
        store: VolumeStore, clock: any Clock, report: @escaping @Sendable (UnreadableBlock) -> Void = { _ in }
    ) throws(Errno) {
        try self.init(volumes: TrackedVolumes(store: store, boot: try bootID(), report: report), clock: clock)
    }

    var store: VolumeStore { volumes.store }

    /// How much longer an I/O takes that has to get a block from a snapshot first; nothing at first.
    public func setFirstTouchLatency(_ latency: Duration) {
        firstTouch.set(Nanoseconds(latency / .nanoseconds(1)))
    }

    /// Shows a zone, with an empty `volumes` directory. Once more is no change.
    public func addZone(_ zone: ZoneName) {
        state.withLock { $0.addZone(zone) }
    }

    /// Shows an instance's directory, and its zone. Once more is no change, but for the type.
    ///
    /// - Parameter type: whose limits all volumes attached from then on share; `nil` for none.
    public func addInstance(zone: ZoneName, instance: InstanceID, type: InstanceType? = nil) {
        performance(of: instance, in: zone).follow(type)
    }

    /// Shows a volume in its zone's `volumes`, and its zone. Opens nothing. A number that is there already gets
    /// the new attributes.
    ///
    /// - Parameters:
    ///   - xattrs: shown as `user.ebb.KEY`, besides `id`, `zone` and `create-time`.
    ///   - isFastRestored: whether the latency of a first touch does not apply to it.
    public func addVolume(
        _ number: VolumeNumber, id: VolumeID, zone: ZoneName, sizeBytes: Int64, createTime: Date,
        xattrs: [String: String] = [:], isFastRestored: Bool = false
    ) {
        var all = xattrs
        all["id"] = id.rawValue
        all["zone"] = zone.rawValue
        all["create-time"] = createTime.formatted(.iso8601)
        let volume = ExportedVolume(
            number: number, id: id, zone: zone, sizeBytes: sizeBytes, xattrs: all,
            performance: VolumePerformance(nil, clock: clock),
            firstTouch: isFastRestored ? FirstTouchLatency() : firstTouch)
        state.withLock { $0.addVolume(volume) }
    }

    private func performance(of instance: InstanceID, in zone: ZoneName) -> InstancePerformance {
        let new = InstancePerformance(clock: clock)
        return state.withLock { $0.addInstance(instance, in: zone, new) }
    }

    /// How a volume performs from now on; without a plan as fast as it can. No error when it is not there.
    func setPerformance(of number: VolumeNumber, _ plan: PerformancePlan?) {
        performance(of: number)?.follow(plan)
    }

    /// What a volume did, and does; `nil` when it is not there.
    func performance(of number: VolumeNumber) -> VolumePerformance? {
        state.withLock { $0.volumes[number]?.performance }
    }

    /// Shows a volume and its attachments with the size that the store has grown it to, to those too who have them
    /// open. No change when they have it.
    ///
    /// Throws what opening the volume's further files does; attachments have the former size then.
    public func grow(_ number: VolumeNumber, to sizeBytes: Int64) throws(Errno) {
        let id = state.withLock { state in
            state.grow(number, to: sizeBytes)
            return state.volumes[number]?.id
        }
        if let id { try volumes.grow(id.rawValue, to: sizeBytes) }
    }

    /// Hides a volume that is not attached. No error when it is not there.
    public func removeVolume(_ number: VolumeNumber) {
        state.withLock { $0.removeVolume(number) }
    }

    /// Opens a volume's bytes and shows them as `<zone>/<instance>/<device>`. A number that is there already
    /// stays as it is.
    ///
    /// Throws what opening the volume's file does.
    public func attach(
        _ number: AttachmentNumber, volume: VolumeNumber, zone: ZoneName, instance: InstanceID,
        device: DeviceName
    ) throws(Errno) {
        let (exported, isKnown) = state.withLock { ($0.volumes[volume], $0.attachments[number] != nil) }
        if isKnown { return }
        guard let exported else { throw .noSuchFileOrDirectory }
        let door = VolumeDoor(
            blocks: try volumes.open(exported.id.rawValue), performance: exported.performance,
            instance: self.performance(of: instance, in: zone), firstTouch: exported.firstTouch)
        let attachment = ExportedAttachment(
            number: number, volume: volume, zone: zone, instance: instance, device: device, door: door)
        state.withLock { $0.attach(attachment) }
    }

    /// Hides an attachment's file. I/O that is in flight is waited for; afterwards the file gives EIO to those
    /// who still hold it open. No error when it is not there.
    ///
    /// - Parameter force: what waits to be answered fails at once. Its bytes may have been written, as with a plug
    ///   that is pulled.
    public func detach(_ number: AttachmentNumber, force: Bool = false) async {
        guard let door = state.withLock({ $0.detach(number) })?.door else { return }
        door.shut()
        if force { delays.fail(door) }
        await door.close()
    }
}
