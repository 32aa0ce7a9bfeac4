// What every world refuses, in EC2's codes and words where those are known. What is known beyond EC2's text (who holds
// the volume, which zones) stands in the cause, so that the message stays comparable.

extension StorageError {
    public static func volumeNotFound(_ id: VolumeID) -> Self {
        Self(.volumeNotFound, "The volume '\(id)' does not exist.")
    }

    public static func malformedVolumeID(_ id: VolumeID) -> Self {
        Self(
            .invalidParameterValue, "Value (\(id)) for parameter volumes is invalid. Expected: 'vol-...'.")
    }

    public static func malformedVolumeIDToDelete(_ id: VolumeID) -> Self {
        Self(.invalidParameterValue, "The volume ID '\(id)' is malformed")
    }

    public static func snapshotNotFound(_ id: SnapshotID) -> Self {
        Self(.snapshotNotFound, "The snapshot '\(id)' does not exist.")
    }

    /// EC2's text for this is not known to us; the form is that of a malformed volume id.
    public static func malformedSnapshotID(_ id: SnapshotID) -> Self {
        Self(.snapshotIDMalformed, "Invalid id: \"\(id)\" (expecting \"snap-...\")")
    }

    public static func instanceNotFound(_ id: InstanceID) -> Self {
        Self(.instanceNotFound, "The instance ID '\(id)' does not exist")
    }

    public static func missing(_ parameter: String) -> Self {
        Self(.missingParameter, "The request must contain the parameter \(parameter)")
    }

    /// Ours: EC2's names are not unique.
    public static func volumeNameTaken(_ name: String, by id: VolumeID, in zone: ZoneName) -> Self {
        Self(
            .volumeDuplicate, "The volume '\(name)' already exists as \(id) in availability zone \(zone).",
            advice: "choose another name, or delete that volume first")
    }

    /// Ours: EC2's names are not unique.
    public static func snapshotNameTaken(_ name: String, by id: SnapshotID, in region: String) -> Self {
        Self(
            .snapshotDuplicate, "The snapshot '\(name)' already exists as \(id) in \(region).",
            advice: "choose another name, or delete that snapshot first")
    }

    public static func snapshotNameTwice(_ name: String) -> Self {
        Self(
            .snapshotDuplicate, "The name '\(name)' is there twice.", advice: "give each snapshot a name of its own")
    }

    public static func wrongState(_ id: VolumeID, _ state: Volume.State) -> Self {
        Self(.incorrectState, "Volume '\(id)' is in the '\(state.rawValue)' state.")
    }

    public static func zoneMismatch(
        _ volume: VolumeID, in zone: ZoneName, _ instance: InstanceID, in instanceZone: ZoneName
    ) -> Self {
        Self(
            .zoneMismatch,
            "The volume '\(volume)' is not in the same availability zone as instance '\(instance)'",
            cause: "the volume is in \(zone), the instance in \(instanceZone)",
            advice: "use an instance in \(zone), or move the volume: ebb volume migrate \(volume) --az \(instanceZone)")
    }

    /// EC2's text for this code is not known to us.
    ///
    /// - Parameter holders: to whom the volume is attached.
    public static func attachmentNotFound(_ volume: VolumeID, _ instance: InstanceID, holders: String) -> Self {
        Self(
            .attachmentNotFound, "The volume '\(volume)' is not attached to instance '\(instance)'.",
            cause: "it is attached to \(holders)")
    }

    public static func ambiguousDetach(_ volume: VolumeID, holders: String) -> Self {
        Self(
            .missingParameter, "The request must contain the parameter instanceId",
            cause: "the volume '\(volume)' is attached to \(holders)", advice: "say which instance")
    }

    public static func modificationNotFound(_ id: VolumeID) -> Self {
        Self(.volumeModificationNotFound, "Modification for volume '\(id)' does not exist.")
    }

    public static let tokenMismatch = Self(
        .idempotentParameterMismatch,
        """
        Parameters on this idempotent request are inconsistent with parameters used in previous request(s).
        """)
}

/// Refuses what is no region's name, such as `eu-west-1`: it becomes part of a host's name.
///
/// - Parameter parameter: EC2's name for what it was given as.
public func checkRegionName(_ name: String, _ parameter: String) throws(StorageError) {
    let parts = name.split(separator: "-", omittingEmptySubsequences: false)
    let isName =
        parts.count >= 3 && name.count <= 63
        && parts.allSatisfy { part in
            !part.isEmpty && part.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber) }
        }
    guard isName else {
        throw StorageError(
            .invalidParameterValue, "Value (\(name)) for parameter \(parameter) is invalid.",
            advice: "use a region's name, such as eu-west-1")
    }
}
