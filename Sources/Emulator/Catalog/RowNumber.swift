public import Driver

/// A catalog row's number; never used again for another row of its table.
///
/// The phantom type keeps a volume's number from being passed where an attachment's is meant.
public struct RowNumber<Resource>: Hashable, Sendable, Comparable {
    public let rawValue: Int64

    public init(_ rawValue: Int64) { self.rawValue = rawValue }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

public typealias VolumeNumber = RowNumber<Volume>
public typealias AttachmentNumber = RowNumber<Attachment>
typealias ModificationNumber = RowNumber<VolumeModification>
typealias SnapshotNumber = RowNumber<Snapshot>
