// What the region tells the filesystem, each time after the catalog has committed it.
import Driver
import SystemPackage

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The filesystem's side of the region: `ExportTable`, and in tests a recorder.
protocol RegionExports: Sendable {
    func addZone(_ zone: ZoneName)
    /// All volumes that are attached from then on share the type's limits.
    func addInstance(zone: ZoneName, instance: InstanceID, type: InstanceType?)
    /// A number that is there already gets the new attributes.
    ///
    /// - Parameter isFastRestored: whether getting a block from a snapshot costs no more than it takes.
    func addVolume(
        _ number: VolumeNumber, id: VolumeID, zone: ZoneName, sizeBytes: Int64, createTime: Date,
        xattrs: [String: String], isFastRestored: Bool)
    /// Lets a volume's attachments reach as far as its bytes do that have grown, and throws what opening those does.
    func grow(_ number: VolumeNumber, to sizeBytes: Int64) throws(Errno)
    func removeVolume(_ number: VolumeNumber)
    /// How a volume performs from now on; without a plan as fast as it can.
    func setPerformance(of number: VolumeNumber, _ plan: PerformancePlan?)
    /// What is in a volume's credit bucket; `nil` where it has none.
    func credits(of number: VolumeNumber) -> Int64?
    /// What a volume did and may do; `nil` for one that is not shown.
    func report(of number: VolumeNumber) -> PerformanceReport?
    /// What an instance may do; `nil` for one without limits.
    func report(of instance: InstanceID, in zone: ZoneName) -> InstanceReport?
    /// Opens the volume's bytes, and throws what that throws.
    func attach(
        _ number: AttachmentNumber, volume: VolumeNumber, zone: ZoneName, instance: InstanceID,
        device: DeviceName
    ) throws(Errno)
    /// Returns when the last I/O has been answered, with an error if `force`; later I/O fails. Doing it twice is
    /// doing it once.
    func detach(_ number: AttachmentNumber, force: Bool) async
}
