import BlockStore
import Driver
import Platform
import SystemPackage

/// What `stat` shows of a node.
struct NodeAttributes: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case directory
        /// A volume by its id: for looking.
        case readOnlyFile
        /// An attached volume.
        case device
    }

    var inode: InodeNumber
    var kind: Kind
    var sizeBytes: Int64 = 0
    var allocatedBytes: Int64 = 0
    var modified = FileTime(seconds: 0)
    var changed = FileTime(seconds: 0)
    var accessed = FileTime(seconds: 0)
}

/// One name in a directory.
struct DirectoryEntry: Hashable, Sendable {
    var name: String
    var inode: InodeNumber
    var isDirectory: Bool
}

/// The tree as FUSE asks for it: names, attributes, entries, by inode number. Every answer is made anew, so
/// that nothing has to be remembered from one request to the next.
extension ExportTable {
    static let volumesName = "volumes"

    /// The node of that name in a directory; ENOENT when there is none.
    func lookUp(_ name: String, in parent: InodeNumber) throws(Errno) -> NodeAttributes {
        let inode = state.withLock { $0.child(name, of: parent) }
        guard let inode else { throw .noSuchFileOrDirectory }
        return try attributes(of: inode)
    }

    /// ENOENT for a directory or volume that is gone, EIO for an attachment that is.
    func attributes(of inode: InodeNumber) throws(Errno) -> NodeAttributes {
        switch inode.kind {
        case .attachment:
            return NodeAttributes(inode, .device, try door(of: inode).status())
        case .volume:
            let volume = try volume(of: inode)
            return NodeAttributes(inode, .readOnlyFile, try store.status(volume.id.rawValue))
        default:
            guard state.withLock({ $0.isDirectory(inode) }) else { throw .noSuchFileOrDirectory }
            return NodeAttributes(inode: inode, kind: .directory)
        }
    }

    /// Up to `limit` names of a directory, those with a greater inode number than `cookie`, in that order.
    func entries(of directory: InodeNumber, after cookie: UInt64, limit: Int) throws(Errno) -> [DirectoryEntry] {
        let entries = state.withLock { $0.entries(of: directory, after: cookie, limit: limit) }
        guard let entries else { throw .notDirectory }
        return entries
    }

    /// The door of an attachment; EIO when it is gone.
    func door(of inode: InodeNumber) throws(Errno) -> VolumeDoor {
        guard inode.kind == .attachment else { throw .isDirectory }
        let number = AttachmentNumber(Int64(inode.number))
        guard let door = state.withLock({ $0.attachments[number]?.door }) else { throw .ioError }
        return door
    }

    /// Reads a volume's bytes for looking; gives the number of bytes, fewer than `count` only at the end.
    func read(
        _ inode: InodeNumber, into buffer: inout MutableRawSpan, count: Int, at offset: Int64
    ) throws(Errno) -> Int {
        let volume = try open(inode)
        let count = Int(max(0, min(Int64(count), volume.sizeBytes - offset)))
        try volume.read(into: &buffer, count: count, at: offset)
        return count
    }

    /// A volume's bytes for looking, opened for the while of `body`.
    func withVolume<Result>(
        _ inode: InodeNumber, _ body: (VolumeBlocks) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        try body(try open(inode))
    }

    private func open(_ inode: InodeNumber) throws(Errno) -> VolumeBlocks {
        guard inode.kind == .volume else { throw .isDirectory }
        return try volumes.open(try volume(of: inode).id.rawValue)
    }

    /// The extended attributes of a node, by their whole names.
    func xattrs(of inode: InodeNumber) -> [String: String] {
        let own = state.withLock { $0.xattrs(of: inode) }
        return Dictionary(uniqueKeysWithValues: own.map { ("user.ebb.\($0.key)", $0.value) })
    }

    private func volume(of inode: InodeNumber) throws(Errno) -> ExportedVolume {
        let number = VolumeNumber(Int64(inode.number))
        guard let volume = state.withLock({ $0.volumes[number] }) else { throw .noSuchFileOrDirectory }
        return volume
    }
}

extension ExportState {
    fileprivate func child(_ name: String, of parent: InodeNumber) -> InodeNumber? {
        switch parent.kind {
        case .root:
            let zone = ZoneName(name)
            return zones[.zone(zone)]?.name == zone ? .zone(zone) : nil
        case .zone:
            guard let zone = zones[parent] else { return nil }
            return name == ExportTable.volumesName ? .volumes(zone.name) : zone.instances[InstanceID(name)]
        case .volumes:
            return zone(ofVolumes: parent)?.volumeNumbers[VolumeID(name)].map { .volume($0) }
        case .instance:
            return instances[parent]?.attachments[name].map { .attachment($0) }
        case .volume, .attachment, nil:
            return nil
        }
    }

    fileprivate func isDirectory(_ inode: InodeNumber) -> Bool {
        switch inode.kind {
        case .root: true
        case .zone: zones[inode] != nil
        case .volumes: zone(ofVolumes: inode) != nil
        case .instance: instances[inode] != nil
        case .volume, .attachment, nil: false
        }
    }

    fileprivate func entries(of directory: InodeNumber, after cookie: UInt64, limit: Int) -> [DirectoryEntry]? {
        switch directory.kind {
        case .root:
            return page(
                zones.map { DirectoryEntry(name: $1.name.rawValue, inode: $0, isDirectory: true) },
                after: cookie, limit: limit)
        case .zone:
            guard let zone = zones[directory] else { return nil }
            let volumes = DirectoryEntry(
                name: ExportTable.volumesName, inode: .volumes(zone.name), isDirectory: true)
            let instances = zone.instances.map { id, inode in
                DirectoryEntry(name: id.rawValue, inode: inode, isDirectory: true)
            }
            return page(instances + [volumes], after: cookie, limit: limit)
        case .volumes:
            return zone(ofVolumes: directory).map { volumeEntries(of: $0, after: cookie, limit: limit) }
        case .instance:
            guard let instance = instances[directory] else { return nil }
            let attachments = instance.attachments.map { leaf, number in
                DirectoryEntry(name: leaf, inode: .attachment(number), isDirectory: false)
            }
            return page(attachments, after: cookie, limit: limit)
        case .volume, .attachment, nil:
            return nil
        }
    }

    /// The one directory that can be long: found by bisection, not sorted for every page.
    private func volumeEntries(of zone: Zone, after cookie: UInt64, limit: Int) -> [DirectoryEntry] {
        let next = VolumeNumber(Int64(InodeNumber(rawValue: cookie).number + 1))
        let start = InodeNumber(rawValue: cookie).kind == .volume ? zone.position(of: next) : 0
        return zone.volumes[start...].prefix(limit).compactMap { number in
            volumes[number].map { volume in
                DirectoryEntry(name: volume.id.rawValue, inode: .volume(number), isDirectory: false)
            }
        }
    }

    private func page(_ entries: [DirectoryEntry], after cookie: UInt64, limit: Int) -> [DirectoryEntry] {
        Array(
            entries.filter { $0.inode.rawValue > cookie }.sorted { $0.inode < $1.inode }.prefix(limit))
    }

    fileprivate func xattrs(of inode: InodeNumber) -> [String: String] {
        switch inode.kind {
        case .volume:
            return volumes[VolumeNumber(Int64(inode.number))]?.xattrs ?? [:]
        case .attachment:
            guard let attachment = attachments[AttachmentNumber(Int64(inode.number))] else { return [:] }
            var xattrs = volumes[attachment.volume]?.xattrs ?? [:]
            xattrs["instance"] = attachment.instance.rawValue
            xattrs["device"] = attachment.device.path
            return xattrs
        default:
            return [:]
        }
    }

    private func zone(ofVolumes inode: InodeNumber) -> Zone? {
        // The same hash under another kind.
        zones[InodeNumber(rawValue: inode.number << 3 | InodeNumber.Kind.zone.rawValue)]
    }
}

extension NodeAttributes {
    fileprivate init(_ inode: InodeNumber, _ kind: Kind, _ status: FileStatus) {
        self.init(
            inode: inode, kind: kind, sizeBytes: status.sizeBytes, allocatedBytes: status.allocatedBytes,
            modified: status.modified, changed: status.changed, accessed: status.accessed)
    }
}
