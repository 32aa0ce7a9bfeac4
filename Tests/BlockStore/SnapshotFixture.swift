import Platform
import SystemPackage
import TestSupport

@testable import BlockStore

/// A snapshot store in a directory of its own, with blocks that are told apart by a number.
struct SnapshotFixture {
    let directory: FilePath
    let store: SnapshotStore

    static func run(_ body: (SnapshotFixture) throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            try body(SnapshotFixture(directory: directory, store: SnapshotStore(directory: directory)))
        }
    }

    /// A whole block; that of 0 is zeros.
    static func block(_ number: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(VolumeBlock.bytes))
        for place in 0..<8 { bytes[bytes.count - 8 + place] = UInt8(truncatingIfNeeded: number >> (8 * place)) }
        return bytes
    }

    /// Writes blocks and a manifest, as the copy of a cut does.
    func write(
        sizeBytes: Int64, parent: Manifest? = nil, _ changes: [(block: Int, number: Int)]
    ) throws -> Manifest {
        let writer = store.beginWriting()
        defer { writer.end() }
        var builder = ManifestBuilder(writer, volumeSizeBytes: sizeBytes, parent: parent)
        for (block, number) in changes { try builder.set(block, to: writer.put(Self.block(number))) }
        return try builder.finish()
    }

    func numbers(in manifest: Manifest) throws -> [Int: Int] {
        var numbers: [Int: Int] = [:]
        try store.forEachBlock(of: manifest) { block, name in
            numbers[block] = try store.number(of: name)
            return true
        }
        return numbers
    }

    /// What nothing refers to.
    func remove(_ names: [Digest]) throws -> [Digest] { try store.remove(names) { _ in false } }

    func objectCount() throws -> Int {
        var count = 0
        try store.forEachName { _ in count += 1 }
        return count
    }

    /// Counts and verifies everything, while nothing else happens.
    func check(_ holders: [(id: String, manifest: Digest)], recorded: [Digest: Int]) throws -> CheckReport {
        var count = ReferenceCount()
        for manifest in Set(holders.map(\.manifest)) {
            let references = holders.count { $0.manifest == manifest }
            try count.set(manifest, to: CountedTree(references: references, segmentCount: .max), in: store)
        }
        var report = CheckReport(objectCount: count.objectCount)
        try store.verify(count, failed: { report.failures[$0] = $1 }, progress: { _, _ in })
        report.uses = try store.uses(of: Set(report.failures.keys), by: holders, limit: .max, check: {}).listed
        count.forEachObject { name, _ in
            if count.disagrees(name, recorded: recorded[name] ?? 0) { report.miscounted.insert(name) }
        }
        for (name, number) in recorded where number != 0 && count.disagrees(name, recorded: number) {
            report.miscounted.insert(name)
        }
        try store.forEachName { name in
            if count.count(of: name) == 0, recorded[name] == nil { report.unreferenced.insert(name) }
        }
        return report
    }

    /// Changes one byte of an object's file, or makes the file shorter.
    func damage(_ name: Digest, at offset: Int64? = nil, length: Int64? = nil) throws {
        let file = try FileDescriptor.openFile(store.files.path(of: name), .readWrite)
        defer { file.closeIgnoringErrors() }
        if let length { try file.setLength(length) }
        guard let offset else { return }
        var bytes: [UInt8] = [0]
        var elements = bytes.mutableSpan
        var span = unsafe elements.mutableBytes
        _ = try file.readAll(into: &span, range: 0..<1, at: offset)
        bytes[0] ^= 0x40
        try unsafe file.writeAll(bytes.span.bytes, at: offset)
    }
}

extension SnapshotWriter {
    func put(_ block: [UInt8]) throws -> Digest? { try unsafe put(block.span.bytes) }
}

extension SnapshotStore {
    func bytes(of name: Digest) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: Int(VolumeBlock.bytes))
        var elements = bytes.mutableSpan
        var span = unsafe elements.mutableBytes
        try readBlock(name, into: &span)
        return bytes
    }

    func number(of name: Digest) throws -> Int {
        try bytes(of: name).suffix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}

/// What is not in order in a store.
struct CheckReport: Equatable {
    var objectCount = 0
    var failures: [Digest: SnapshotStoreError] = [:]
    var uses: [Digest: [ObjectUse]] = [:]
    var miscounted: Set<Digest> = []
    var unreferenced: Set<Digest> = []
}
