/// What `SnapshotStore.check` found. Nothing is repaired.
public struct SnapshotCheckReport: Hashable, Sendable {
    public var problems: [Problem] = []
    public var checkedObjects = 0

    /// Where a snapshot needs an object: these of its blocks, or, of a manifest, all.
    public struct Use: Hashable, Sendable {
        public let snapshot: String
        /// `nil`: the whole snapshot.
        public let blocks: Range<Int>?
    }

    public enum Problem: Hashable, Sendable, CustomStringConvertible {
        case unreadable(SnapshotStoreError, uses: [Use])
        /// The catalog's count of an object's references is wrong.
        case miscounted(Digest, recorded: Int, actual: Int)
        /// It is there, and neither the catalog nor a snapshot knows of it: it only takes space.
        case unreferenced(Digest)

        public var description: String {
            switch self {
            case .unreadable(let error, let uses):
                "\(error); needed by " + uses.map(\.description).joined(separator: ", ")
            case .miscounted(let name, let recorded, let actual):
                "object \(name) has \(actual) references, the catalog counts \(recorded)"
            case .unreferenced(let name): "object \(name) belongs to no snapshot"
            }
        }
    }
}

extension SnapshotCheckReport.Use: CustomStringConvertible {
    public var description: String {
        guard let blocks else { return "all of \(snapshot)" }
        return blocks.count == 1
            ? "block \(blocks.lowerBound) of \(snapshot)"
            : "blocks \(blocks.lowerBound) to \(blocks.upperBound - 1) of \(snapshot)"
    }
}

extension SnapshotStore {
    /// Counts all references anew from the manifests, and verifies every object's bytes.
    ///
    /// Objects that are `recorded`, though with no references, are the catalog's to remove. Where a tree cannot be
    /// followed, what lies below it is not known: then only counts that are too low are told of.
    ///
    /// Takes memory for each object, unlike all else here.
    ///
    /// - Parameters:
    ///   - snapshots: every reference that the catalog has to a manifest.
    ///   - recorded: the catalog's counts.
    ///   - progress: called with how many objects have been verified, and of how many.
    public func check(
        _ snapshots: [(id: String, manifest: Digest)], recorded: [Digest: Int],
        progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws -> SnapshotCheckReport {
        var count = ReferenceCount()
        for snapshot in snapshots { try count.add(snapshot.manifest, in: self) }
        var failures = count.unreadable
        try verifyBlocks(count.references, &failures, progress)
        var report = SnapshotCheckReport()
        report.checkedObjects = count.references.count
        for (name, error) in failures.sorted(by: { $0.key < $1.key }) {
            report.problems.append(.unreadable(error, uses: try uses(of: name, by: snapshots)))
        }
        report.problems += count.miscounts(recorded)
        if count.isWhole { report.problems += try unreferenced(count.references, recorded) }
        return report
    }

    private func verifyBlocks(
        _ references: [Digest: ReferenceCount.Entry], _ failures: inout [Digest: SnapshotStoreError],
        _ progress: (Int, Int) throws -> Void
    ) throws {
        let buffer = BlockBuffer()
        var done = 0
        for (name, entry) in references {
            if entry.kind == .block {
                do throws(SnapshotStoreError) {
                    try buffer.fill { (span) throws(SnapshotStoreError) in try readBlock(name, into: &span) }
                } catch {
                    failures[name] = error
                }
            }
            done += 1
            try progress(done, references.count)
        }
    }

    private func unreferenced(
        _ references: [Digest: ReferenceCount.Entry], _ recorded: [Digest: Int]
    ) throws -> [SnapshotCheckReport.Problem] {
        var problems: [SnapshotCheckReport.Problem] = []
        try forEachName { name in
            if references[name] == nil, recorded[name] == nil { problems.append(.unreferenced(name)) }
        }
        return problems
    }

    /// Where an object is needed. Walks over everything: only for what is broken.
    private func uses(
        of name: Digest, by snapshots: [(id: String, manifest: Digest)]
    ) throws -> [SnapshotCheckReport.Use] {
        var uses: [SnapshotCheckReport.Use] = []
        for (id, manifest) in snapshots {
            if manifest == name { uses.append(.init(snapshot: id, blocks: nil)) }
            guard let whole = readable({ () throws(SnapshotStoreError) in try self.manifest(manifest) }) else {
                continue
            }
            for entry in whole.segments {
                let start = Int(entry.index) * Segment.blockCount
                if entry.name == name {
                    let end = min(start + Segment.blockCount, whole.blockCount)
                    uses.append(.init(snapshot: id, blocks: start..<end))
                }
                guard let segment = readable({ () throws(SnapshotStoreError) in try segment(entry.name) }) else {
                    continue
                }
                for place in segment.names.indices where segment[place] == name {
                    uses.append(.init(snapshot: id, blocks: start + place..<start + place + 1))
                }
            }
        }
        return uses
    }

    /// Nil for what cannot be read, which is a problem of its own in the report.
    private func readable<Value>(_ read: () throws(SnapshotStoreError) -> Value) -> Value? {
        do throws(SnapshotStoreError) { return try read() } catch { return nil }
    }
}

/// References, counted from manifests alone.
private struct ReferenceCount {
    struct Entry {
        let kind: ObjectKind
        var count: Int
    }

    private(set) var references: [Digest: Entry] = [:]
    private(set) var unreadable: [Digest: SnapshotStoreError] = [:]

    /// Whether every tree could be followed to its blocks.
    var isWhole: Bool { unreadable.isEmpty }

    mutating func add(_ manifest: Digest, in store: SnapshotStore) throws {
        try store.forEachReference(of: manifest) { name, kind in
            references[name, default: Entry(kind: kind, count: 0)].count += 1
            return references[name]?.count == 1
        } unreadable: { name, error in
            unreadable[name] = error
        }
    }

    func miscounts(_ recorded: [Digest: Int]) -> [SnapshotCheckReport.Problem] {
        let names = Set(references.keys).union(recorded.keys)
        return names.sorted().compactMap { name in
            let actual = references[name]?.count ?? 0
            let known = recorded[name] ?? 0
            if actual == known || (!isWhole && actual < known) { return nil }
            return .miscounted(name, recorded: known, actual: actual)
        }
    }
}
