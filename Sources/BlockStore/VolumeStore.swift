public import Platform
public import SystemPackage

/// The directory that holds the bytes of volumes, as sparse files. It knows nothing of EBS.
///
/// A volume is one file, or several where it is larger than `partBytes`: ext4 ends a file at 16 TiB, EBS a
/// volume at 64 TiB. Part 0 has the volume's name, part 1 the name and `.1`, and so on.
///
/// Invariants: the parts' lengths add up to the volume's size, always; what was never written is a hole; part 0
/// is made last and removed first, so that a volume exists as a whole or not at all. While a volume grows, its size
/// lies between the old and the new one: a crash leaves such a size, and `grow` finishes it.
public struct VolumeStore: Sendable {
    public let directory: FilePath
    let partBytes: Int64
    private let reserve = SpaceReserve()
    private var layout: VolumeLayout { VolumeLayout(partBytes: partBytes) }

    /// Makes the directory when it is missing.
    ///
    /// - Parameter partBytes: where a volume's next file begins. Constant for a directory's life.
    public init(directory: FilePath, partBytes: Int64 = 8 << 40) throws(Errno) {
        precondition(partBytes > 0 && partBytes % 4096 == 0, "parts end on a page")
        self.directory = directory
        self.partBytes = partBytes
        try createDirectories(directory)
    }

    /// Makes an empty volume, durable when the call returns; `.fileExists` when there is one of this name.
    ///
    /// After an error nothing is left that a later `create` or `remove` of the name would trip over.
    public func create(_ name: String, sizeBytes: Int64) throws(Errno) {
        guard Self.isName(name), sizeBytes > 0 else { throw .invalidArgument }
        if try exists(name) { throw .fileExists }
        for (part, length) in layout.lengths(sizeBytes: sizeBytes).enumerated().reversed() {
            try createPart(path(name, part: part), length: length)
        }
        try Directory.synchronize(directory)
    }

    /// Makes a volume larger, durable when the call returns; what is new reads as zeros. No error when it has that
    /// size already, so that a growth which a crash cut off can be repeated; `.invalidArgument` when it is larger.
    ///
    /// Who has the volume open goes on with the size that it has, until `VolumeFile.grow`. After an error the
    /// volume has the size that it had, or `sizeBytes` tells another one.
    public func grow(_ name: String, to newSizeBytes: Int64) throws(Errno) {
        let former = try sizeBytes(name)
        guard newSizeBytes >= former else { throw .invalidArgument }
        var parts = layout.partCount(sizeBytes: former)
        do throws(Errno) {
            try extend(name, to: newSizeBytes, parts: &parts)
        } catch {
            try takeBack(name, to: former, parts: parts)
            throw error
        }
    }

    /// The last part first and further ones in order, so that at every moment the parts are a whole volume.
    ///
    /// - Parameter parts: how many there are.
    private func extend(_ name: String, to newSizeBytes: Int64, parts: inout Int) throws(Errno) {
        let lengths = layout.lengths(sizeBytes: newSizeBytes)
        try setLength(of: path(name, part: parts - 1), lengths[parts - 1])
        while parts < lengths.count {
            try createPart(path(name, part: parts), length: lengths[parts])
            parts += 1
        }
        try Directory.synchronize(directory)
    }

    /// In the opposite order.
    private func takeBack(_ name: String, to former: Int64, parts: Int) throws(Errno) {
        let last = layout.partCount(sizeBytes: former) - 1
        for part in (last + 1..<parts).reversed() { _ = try Directory.unlink(path(name, part: part)) }
        try setLength(of: path(name, part: last), former - Int64(last) * partBytes)
    }

    private func setLength(of path: FilePath, _ length: Int64) throws(Errno) {
        let file = try FileDescriptor.openFile(path, .readWrite)
        defer { file.closeIgnoringErrors() }
        try file.setLength(length)
        try file.synchronize()
    }

    /// Removes a volume, durably; no error when there is none. Cuts of it that are in progress stay, and have its bytes.
    public func remove(_ name: String) throws(Errno) {
        guard Self.isName(name) else { throw .invalidArgument }
        try detachCuts(of: name)
        _ = try Directory.unlink(path(name, part: 0))
        var part = 1
        while try Directory.unlink(path(name, part: part)) { part += 1 }
        try Directory.synchronize(directory)
        try TrackingDirectory(store: directory, volume: name).remove()
    }

    /// The names of the volumes, of those included that a crash left half made or half removed.
    public func names() throws(Errno) -> Set<String> {
        var names: Set<String> = []
        for file in try Directory.names(in: directory) where !file.hasPrefix(".") {
            names.insert(String(file.prefix { $0 != "." }))
        }
        return names
    }

    /// Whether a whole volume of this name is here.
    public func exists(_ name: String) throws(Errno) -> Bool {
        try exists(path(name, part: 0))
    }

    private func exists(_ path: FilePath) throws(Errno) -> Bool {
        do {
            _ = try FileStatus(of: path)
            return true
        } catch .noSuchFileOrDirectory {
            return false
        }
    }

    /// The volume's size as its files have it.
    public func sizeBytes(_ name: String) throws(Errno) -> Int64 {
        try status(name).sizeBytes
    }

    /// Space that the volume takes, holes excluded.
    public func allocatedBytes(_ name: String) throws(Errno) -> Int64 {
        try status(name).allocatedBytes
    }

    /// Size, space and times of a volume, without opening it.
    public func status(_ name: String) throws(Errno) -> FileStatus {
        guard Self.isName(name) else { throw .invalidArgument }
        var total = try FileStatus(of: path(name, part: 0))
        var part = 1
        while total.sizeBytes == Int64(part) * partBytes {
            do {
                total.add(try FileStatus(of: path(name, part: part)))
            } catch .noSuchFileOrDirectory {
                break
            }
            part += 1
        }
        return total
    }

    /// Opens a volume's bytes. Each opening is its own; all see the same bytes at once.
    public func open(_ name: String, _ mode: VolumeFile.Mode) throws(Errno) -> VolumeFile {
        let size = try sizeBytes(name)
        return try openParts(sizeBytes: size, mode) { path(name, part: $0) }
    }

    /// Opens files that lie as a volume's parts do.
    func openParts(
        sizeBytes: Int64, _ mode: VolumeFile.Mode, _ path: @escaping @Sendable (Int) -> FilePath
    ) throws(Errno) -> VolumeFile {
        let access: FileDescriptor.AccessMode = mode == .readOnly ? .readOnly : .readWrite
        return try VolumeFile(sizeBytes: sizeBytes, layout: layout, reserve: reserve) { (part) throws(Errno) in
            try .openFile(path(part), access)
        }
    }

    /// The length of each part of a volume.
    func partLengths(sizeBytes: Int64) -> [Int64] { layout.lengths(sizeBytes: sizeBytes) }

    /// Space and files of the filesystem that holds the volumes.
    public func filesystemStatus() throws(Errno) -> FilesystemStatus {
        let descriptor = try FileDescriptor.openFile(directory, .readOnly, options: [.directory])
        defer { descriptor.closeIgnoringErrors() }
        return try descriptor.filesystemStatus()
    }

    private func createPart(_ path: FilePath, length: Int64) throws(Errno) {
        let file = try FileDescriptor.openFile(
            path, .readWrite, options: [.create, .truncate], permissions: [.ownerReadWrite])
        defer { file.closeIgnoringErrors() }
        do throws(Errno) {
            try file.setLength(length)
            try file.synchronize()
        } catch {
            _ = try Directory.unlink(path)
            throw error
        }
    }

    func path(_ name: String, part: Int) -> FilePath {
        directory.appending(part == 0 ? name : "\(name).\(part)")
    }

    /// A name is one path component without a dot.
    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 200
            && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ".") || $0 == 0 }
    }
}

extension FileStatus {
    mutating func add(_ part: FileStatus) {
        sizeBytes += part.sizeBytes
        allocatedBytes += part.allocatedBytes
        modified = max(modified, part.modified)
        changed = max(changed, part.changed)
        accessed = max(accessed, part.accessed)
    }
}
