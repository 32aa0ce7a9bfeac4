// What the region knows of each resource: the values that its state machines change and its catalog keeps.
import BlockStore
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A volume and its attachments. `lifecycle` and `attachments` always agree: see `VolumeLifecycle`.
struct VolumeRecord: Hashable, Sendable {
    let number: VolumeNumber
    let id: VolumeID
    let zone: ZoneName
    var specification: VolumeSpecification
    var isMultiAttachEnabled: Bool
    let createTime: Date
    var tags: [String: String]
    var state = VolumeLifecycle.State.creating
    /// In the order of their making.
    var attachments: [AttachmentRecord] = []
    /// In the order of their making, one after another: the last one, and all that the rate asks for.
    var modifications: [ModificationRecord] = []
    /// Nothing for one that was made blank.
    var origin: VolumeOrigin?
    /// Why it is in `error`, where that is known.
    var failure: String?

    var name: String { tags[Tag.name] ?? "" }
    var sizeBytes: Int64 { Int64(specification.sizeGiB) << 30 }
    var place: ListingPlace<Volume> { ListingPlace(time: createTime, id: id) }
    /// What holds the blocks that the volume, or the cut that it is to be a copy of, does not have; it counts as one
    /// reference of that.
    var neededManifest: Digest? { origin.flatMap { $0.isRestored ? nil : $0.manifest } }
    /// The volume's name in the store; the pattern by which start-up knows our own files.
    var fileName: String { id.rawValue }
}

/// A volume's place on an instance.
struct AttachmentRecord: Hashable, Sendable {
    let number: AttachmentNumber
    let volume: VolumeNumber
    let instance: InstanceID
    let device: DeviceName
    let attachTime: Date
    var state = AttachmentLifecycle.State.attaching
}

/// A place that volumes attach to.
struct InstanceRecord: Hashable, Sendable {
    let id: InstanceID
    var name: String
    let zone: ZoneName
    /// Nothing for one without limits.
    var type: InstanceType?

    /// `i-0f3… (hosta)`, for people.
    var label: String { name.isEmpty || name == id.rawValue ? id.rawValue : "\(id) (\(name))" }
}

/// A create request that was answered, so that repeating it repeats the answer.
struct ClientTokenRecord: Hashable, Sendable {
    let token: String
    let volume: VolumeID
    /// The request's parameters in one canonical form.
    let parameters: String
    let time: Date
}
