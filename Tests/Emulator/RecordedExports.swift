// A filesystem that only remembers what it was told, and has attached volumes open as the real one has.
import BlockStore
import Driver
import Synchronization
import SystemPackage

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

final class RecordedExports: RegionExports {
    struct Place: Hashable, Sendable {
        let volume: VolumeNumber
        let instance: InstanceID
        let device: DeviceName
    }

    struct State: Sendable {
        var zones: Set<ZoneName> = []
        var instances: Set<InstanceID> = []
        var volumes: [VolumeNumber: VolumeID] = [:]
        /// What those can reach who have a volume attached.
        var sizesBytes: [VolumeNumber: Int64] = [:]
        var xattrs: [VolumeNumber: [String: String]] = [:]
        var attachments: [AttachmentNumber: Place] = [:]
        var open: [AttachmentNumber: VolumeBlocks] = [:]
        var plans: [VolumeNumber: PerformancePlan] = [:]
        var credits: [VolumeNumber: Int64] = [:]
        /// Attachments of one volume that were shown at once, at most.
        var mostHolders = 0
        var beforeDetach: @Sendable () async -> Void = {}
    }

    private let volumes: TrackedVolumes
    private let state = Mutex(State())

    init(_ volumes: TrackedVolumes) { self.volumes = volumes }

    var now: State { state.withLock { $0 } }

    /// What is shown attached: volume id, instance and device of each.
    var attached: Set<String> {
        let state = now
        return Set(
            state.attachments.values.map {
                "\(state.volumes[$0.volume]?.rawValue ?? "gone") \($0.instance) \($0.device)"
            })
    }

    func addZone(_ zone: ZoneName) { state.withLock { _ = $0.zones.insert(zone) } }

    func setPerformance(of number: VolumeNumber, _ plan: PerformancePlan?) {
        state.withLock { $0.plans[number] = plan }
    }

    /// What a test has set, or what the plan says.
    func credits(of number: VolumeNumber) -> Int64? {
        state.withLock { state in
            guard let bucket = state.plans[number]?.limits.credits else { return nil }
            return state.credits[number] ?? state.plans[number]?.credits ?? bucket.capacity
        }
    }

    func report(of number: VolumeNumber) -> PerformanceReport? {
        state.withLock { state in
            guard state.volumes[number] != nil else { return nil }
            let plan = state.plans[number]
            return PerformanceReport(
                time: 0, start: 0, statistics: IOStatistics(), limits: plan?.limits,
                fallsShort: plan?.fallsShort ?? false,
                credits: plan?.limits.credits.map { state.credits[number] ?? plan?.credits ?? $0.capacity })
        }
    }

    func report(of instance: InstanceID, in zone: ZoneName) -> InstanceReport? { nil }

    /// As if I/O had left so many.
    func setCredits(_ credits: Int64, of number: VolumeNumber) {
        state.withLock { $0.credits[number] = credits }
    }

    func addInstance(zone: ZoneName, instance: InstanceID, type: InstanceType?) {
        state.withLock { _ = $0.instances.insert(instance) }
    }

    func addVolume(
        _ number: VolumeNumber, id: VolumeID, zone: ZoneName, sizeBytes: Int64, createTime: Date,
        xattrs: [String: String], isFastRestored: Bool
    ) {
        state.withLock { state in
            state.volumes[number] = id
            state.xattrs[number] = xattrs
            if state.sizesBytes[number] == nil { state.sizesBytes[number] = sizeBytes }
        }
    }

    func grow(_ number: VolumeNumber, to sizeBytes: Int64) throws(Errno) {
        let id = state.withLock { state in
            state.sizesBytes[number] = sizeBytes
            return state.volumes[number]
        }
        if let id { try volumes.grow(id.rawValue, to: sizeBytes) }
    }

    func removeVolume(_ number: VolumeNumber) {
        state.withLock { state in
            state.volumes[number] = nil
            state.sizesBytes[number] = nil
            state.xattrs[number] = nil
        }
    }

    func attach(
        _ number: AttachmentNumber, volume: VolumeNumber, zone: ZoneName, instance: InstanceID,
        device: DeviceName
    ) throws(Errno) {
        guard let id = state.withLock({ $0.volumes[volume] }) else { throw .noSuchFileOrDirectory }
        let blocks = try volumes.open(id.rawValue)
        state.withLock { state in
            state.open[number] = blocks
            state.attachments[number] = Place(volume: volume, instance: instance, device: device)
            let holders = state.attachments.values.count { $0.volume == volume }
            state.mostHolders = max(state.mostHolders, holders)
        }
    }

    /// Lets a test hold up the last I/O of attachments.
    func beforeDetach(_ wait: @escaping @Sendable () async -> Void) {
        state.withLock { $0.beforeDetach = wait }
    }

    func detach(_ number: AttachmentNumber, force: Bool) async {
        await now.beforeDetach()
        state.withLock { state in
            state.attachments[number] = nil
            state.open[number] = nil
        }
    }
}
