// The region's refusals in EC2's codes and words, as captured from the real service. What Ebb knows beyond
// EC2's text (who holds the volume, which zones) stands in the cause, so that the message stays comparable.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension StorageError {
    static func zoneNotFound(_ zone: ZoneName, known: [ZoneName]) -> Self {
        let zones = known.map(\.rawValue).joined(separator: ", ")
        return Self(.zoneNotFound, "The zone '\(zone)' does not exist.", advice: "choose one of \(zones)")
    }

    static func nameTaken(_ name: String, by volume: VolumeRecord) -> Self {
        volumeNameTaken(name, by: volume.id, in: volume.zone)
    }

    /// Attaching or detaching what is not ready for it.
    static func notAvailable(_ id: VolumeID, _ state: Volume.State) -> Self {
        Self(.incorrectState, "\(id) is not 'available'.", cause: "its state is '\(state.rawValue)'")
    }

    static func deletingInUse(_ id: VolumeID, holder: AttachmentRecord) -> Self {
        Self(
            .volumeInUse, "Volume \(id) is currently attached to \(holder.instance)",
            cause: "as \(holder.device) since \(holder.attachTime.formatted(.iso8601))",
            advice: "detach it first")
    }

    static func attachingInUse(_ id: VolumeID, holder: AttachmentRecord, label: String) -> Self {
        Self(
            .volumeInUse, "\(id) is already attached to an instance",
            cause: "attached to \(label) as \(holder.device) since \(holder.attachTime.formatted(.iso8601))",
            advice: "detach it there or use --preempt")
    }

    static func zoneMismatch(_ volume: VolumeRecord, _ instance: InstanceRecord) -> Self {
        zoneMismatch(volume.id, in: volume.zone, instance.id, in: instance.zone)
    }

    static func deviceTaken(_ device: DeviceName, by holder: String) -> Self {
        Self(
            .invalidParameterValue,
            "Invalid value '\(device)' for unixDevice. Attachment point \(device) is already in use",
            cause: holder)
    }

    static func invalidDevice(_ device: DeviceName) -> Self {
        Self(
            .invalidParameterValue,
            "Value (\(device)) for parameter device is invalid. \(device) is not a valid EBS device name.",
            advice: "use /dev/xvdb to /dev/xvdz")
    }

    /// EC2's text for this code is not known to us.
    static func attachmentLimit(_ instance: InstanceRecord, _ limit: Int) -> Self {
        Self(
            .attachmentLimitExceeded,
            "The instance '\(instance.id)' has reached its limit of \(limit) attached volumes.",
            advice: "detach a volume first")
    }

    static func multiAttachLimit(_ id: VolumeID) -> Self {
        Self(
            .attachmentLimitExceeded,
            "The volume '\(id)' has reached its limit of \(VolumeTypeLimits.multiAttachInstances) attachments.",
            advice: "detach it from an instance first")
    }

    static func attachmentNotFound(_ volume: VolumeRecord, _ instance: InstanceID) -> Self {
        let holders = volume.attachments.map { "\($0.instance) as \($0.device)" }.joined(separator: ", ")
        return attachmentNotFound(volume.id, instance, holders: holders)
    }

    static func ambiguousDetach(_ volume: VolumeRecord) -> Self {
        ambiguousDetach(
            volume.id, holders: volume.attachments.map(\.instance.rawValue).joined(separator: ", "))
    }

    static func noMultiAttach(_ type: VolumeType) -> Self {
        Self(
            .invalidParameterCombination,
            "The parameter multi-attach-enabled is not supported for \(type) volumes.")
    }

    /// EC2's text for this is not known to us.
    static func fixedMultiAttach(_ type: VolumeType) -> Self {
        Self(
            .invalidParameterCombination,
            "The parameter multi-attach-enabled cannot be modified for \(type) volumes.")
    }

    static func modificationRuns(_ id: VolumeID, _ state: VolumeModification.State) -> Self {
        Self(
            .incorrectModificationState,
            "Volume \(id) cannot be modified in modification state \(state.rawValue.uppercased())",
            advice: "wait until the modification is completed")
    }

    /// EC2's text goes on after the time; how, is not known to us.
    static func modificationRate(until time: Date) -> Self {
        Self(
            .volumeModificationRateExceeded,
            """
            You've reached the maximum modification rate per volume limit. Wait until \(time.formatted(.iso8601)) \
            before modifying this volume again.
            """, advice: "wait, or set 'modificationRate' to 'none'")
    }

    static func tokenOfDeleted<Resource>(_ token: String, _ id: Identifier<Resource>) -> Self {
        Self(
            .idempotentParameterMismatch,
            """
            The client token '\(token)' is associated with resource '\(id)' which has already been deleted.
            """, advice: "use a new client token")
    }
}
