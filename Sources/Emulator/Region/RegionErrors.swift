// The region's refusals in EC2's codes and words, as captured from the real service. What Ebb knows beyond
// EC2's text (who holds the volume, which zones) stands in the cause, so that the message stays comparable.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension StorageError {
    static func volumeNotFound(_ id: VolumeID) -> Self {
        Self(.volumeNotFound, "The volume '\(id)' does not exist.")
    }

    static func malformedVolumeID(_ id: VolumeID) -> Self {
        Self(
            .invalidParameterValue, "Value (\(id)) for parameter volumes is invalid. Expected: 'vol-...'.")
    }

    static func instanceNotFound(_ id: InstanceID) -> Self {
        Self(.instanceNotFound, "The instance ID '\(id)' does not exist")
    }

    static func zoneNotFound(_ zone: ZoneName, known: [ZoneName]) -> Self {
        let zones = known.map(\.rawValue).joined(separator: ", ")
        return Self(.zoneNotFound, "The zone '\(zone)' does not exist.", advice: "choose one of \(zones)")
    }

    static func missing(_ parameter: String) -> Self {
        Self(.missingParameter, "The request must contain the parameter \(parameter)")
    }

    static func nameTaken(_ name: String, by volume: VolumeRecord) -> Self {
        Self(
            .volumeDuplicate,
            "The volume '\(name)' already exists as \(volume.id) in availability zone \(volume.zone).",
            advice: "choose another name, or delete that volume first")
    }

    /// Attaching or detaching what is not ready for it.
    static func notAvailable(_ id: VolumeID, _ state: Volume.State) -> Self {
        Self(.incorrectState, "\(id) is not 'available'.", cause: "its state is '\(state.rawValue)'")
    }

    static func wrongState(_ id: VolumeID, _ state: Volume.State) -> Self {
        Self(.incorrectState, "Volume '\(id)' is in the '\(state.rawValue)' state.")
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
        Self(
            .zoneMismatch,
            "The volume '\(volume.id)' is not in the same availability zone as instance '\(instance.id)'",
            cause: "the volume is in \(volume.zone), the instance in \(instance.zone)",
            advice:
                "use an instance in \(volume.zone), or move the volume: ebb volume migrate \(volume.id) --az \(instance.zone)"
        )
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

    /// EC2's text for this code is not known to us.
    static func attachmentNotFound(_ volume: VolumeRecord, _ instance: InstanceID) -> Self {
        let holders = volume.attachments.map { "\($0.instance) as \($0.device)" }.joined(separator: ", ")
        return Self(
            .attachmentNotFound, "The volume '\(volume.id)' is not attached to instance '\(instance)'.",
            cause: "it is attached to \(holders)")
    }

    static func ambiguousDetach(_ volume: VolumeRecord) -> Self {
        let holders = volume.attachments.map(\.instance.rawValue).joined(separator: ", ")
        return Self(
            .missingParameter, "The request must contain the parameter instanceId",
            cause: "the volume '\(volume.id)' is attached to \(holders)", advice: "say which instance")
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

    static func modificationNotFound(_ id: VolumeID) -> Self {
        Self(.volumeModificationNotFound, "Modification for volume '\(id)' does not exist.")
    }

    static let tokenMismatch = Self(
        .idempotentParameterMismatch,
        """
        Parameters on this idempotent request are inconsistent with parameters used in previous request(s).
        """)

    static func tokenOfDeleted<Resource>(_ token: String, _ id: Identifier<Resource>) -> Self {
        Self(
            .idempotentParameterMismatch,
            """
            The client token '\(token)' is associated with resource '\(id)' which has already been deleted.
            """, advice: "use a new client token")
    }
}
