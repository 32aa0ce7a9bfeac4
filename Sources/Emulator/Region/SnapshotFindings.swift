// What a check has found, in words: each finding names what is spoiled, and what can be done.
import BlockStore
import Driver

extension SnapshotFinding {
    /// One for each block of a snapshot, or larger part, that cannot be had.
    static func unreadable(_ broken: BrokenObjects, _ uses: ObjectUses) -> [SnapshotFinding] {
        broken.sorted { $0.key < $1.key }.flatMap { name, error in
            (uses.listed[name] ?? []).map { SnapshotFinding(name, error, $0) }
        }
    }

    private init(_ name: Digest, _ error: SnapshotStoreError, _ use: ObjectUse) {
        let isSnapshot = SnapshotID(use.holder).isWellFormedSnapshotID
        let block = use.blocks.flatMap { $0.count == 1 ? SnapshotBlockIndex($0.lowerBound) : nil }
        let part = "\(use)"
        let advice =
            isSnapshot
            ? "import or pull a snapshot that has it, and it is right again"
            : "copy from the volume what can be read"
        self.init(
            kind: error.findingKind, object: name.hex, snapshotID: isSnapshot ? SnapshotID(use.holder) : nil,
            blockIndex: block,
            message: "\(part.prefix(1).uppercased())\(part.dropFirst()) cannot be read: \(error); \(advice).")
    }

    /// - Parameter uses: of those that are counted too low, and so may be removed though they are needed.
    static func miscounted(_ miscount: Miscount, _ uses: ObjectUses) -> SnapshotFinding {
        let count = "has \(miscount.actual) references, and the catalog counts \(miscount.recorded)"
        let holders = (uses.listed[miscount.name] ?? []).map(\.holder).reduce(into: [String]()) { holders, holder in
            if !holders.contains(holder) { holders.append(holder) }
        }
        let names = holders.prefix(maximumNamedHolders).joined(separator: ", ")
        let others = holders.count > maximumNamedHolders ? " and others" : ""
        let advice =
            miscount.isTooLow
            ? "delete no snapshot, and export what is to be kept" : "it takes space that is not given back"
        let only = holders.count == 1 ? SnapshotID(holders[0]) : nil
        return SnapshotFinding(
            kind: .miscounted, object: miscount.name.hex,
            snapshotID: only.flatMap { $0.isWellFormedSnapshotID ? $0 : nil },
            message: """
                Object \(miscount.name)\(holders.isEmpty ? "" : " of \(names)\(others)") \(count); \(advice).
                """)
    }

    private static let maximumNamedHolders = 10

    static func notPartial(_ tree: PartialTree) -> SnapshotFinding {
        SnapshotFinding(
            kind: .miscounted, object: tree.manifest.hex,
            message: """
                Of manifest \(tree.manifest) the catalog counts \(tree.segmentCount) segments for nobody, though it is \
                needed; delete no snapshot, and export what is to be kept.
                """)
    }

    static func unreferenced(_ name: Digest) -> SnapshotFinding {
        SnapshotFinding(
            kind: .unreferenced, object: name.hex,
            message: "Object \(name) belongs to no snapshot; restarting the daemon removes it.")
    }
}

extension Miscount {
    var isTooLow: Bool { recorded < actual }
}

extension SnapshotReport {
    static let maximumFindings = 1_000

    /// The findings, and of very many the first.
    ///
    /// - Parameter omittedCount: how many there are beside those that are given.
    init(
        snapshotCount: Int, objectCount: Int, objectBytes: Int64, limiting findings: [SnapshotFinding],
        omittedCount: Int
    ) {
        let omitted = omittedCount + max(0, findings.count - Self.maximumFindings)
        self.init(
            snapshotCount: snapshotCount, objectCount: objectCount, objectBytes: objectBytes,
            findings: Array(findings.prefix(Self.maximumFindings)), omittedCount: omitted > 0 ? omitted : nil)
    }
}

extension SnapshotStoreError {
    fileprivate var findingKind: SnapshotFinding.Kind {
        switch self {
        case .missing: .missing
        case .damaged, .malformed, .failed: .damaged
        }
    }
}
