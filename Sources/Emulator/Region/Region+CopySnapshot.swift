// Copying snapshots, here or to another emulated region.
//
// All regions' snapshots are in one store, where equal content is kept once: a copy is one more reference of the same
// manifest. It has that reference while it is `pending` already, so its source may be deleted at once.
import BlockStore
import Driver

extension Region {
    func copySnapshot(_ request: CopySnapshotRequest) async throws -> Snapshot {
        let source = request.sourceRegion ?? configuration.name
        let destination = request.destinationRegion ?? configuration.name
        for (name, parameter) in [(source, "sourceRegion"), (destination, "destinationRegion")] {
            try checkRegionName(name, parameter)
        }
        let text = request.description ?? "[Copied \(request.sourceSnapshotID) from \(source)]"
        try SnapshotLimits.checkDescription(text)
        try TagRules.check(request.tags)
        let copies = try await once(request) { region, token in
            _ = try region.state.snapshots.snapshot(request.sourceSnapshotID, in: source)
            let names = try Self.nameKeys([request.tags], in: destination)
            return try await region.exclusively([.snapshot(request.sourceSnapshotID)] + names) { region in
                let original = try region.state.snapshots.snapshot(request.sourceSnapshotID, in: source)
                let copy = try region.newCopy(of: original, in: destination, text, request.tags)
                try await region.keepCopy(copy, token)
                return [copy]
            }
        }
        guard let copy = copies.first else { throw StorageError.snapshotNotFound(request.sourceSnapshotID) }
        return copy
    }

    private func newCopy(
        of original: SnapshotRecord, in region: String, _ text: String, _ tags: [String: String]
    ) throws -> SnapshotRecord {
        let content = try original.usableContent()
        try checkCount(adding: 1, in: region)
        try state.snapshots.checkName(tags[Tag.name] ?? "", in: region)
        var copy = SnapshotRecord(
            number: nextSnapshotNumber(), id: newSnapshotID(), region: region, origin: .copy(of: original.id),
            sizeGiB: original.sizeGiB, startTime: currentTime(), text: text, tags: tags,
            inheritedLineage: original.lineage)
        copy.base = content.manifest
        return copy
    }

    private func keepCopy(_ copy: SnapshotRecord, _ token: SnapshotToken?) async throws {
        let changes = copy.base.map { [$0: Int64(1)] } ?? [:]
        try await keepNew([copy], token, with: [.addReferences(ObjectReferences(kind: .manifest, changes: changes))])
        beginCopying(.snapshot(copy.id), nil)
    }

    /// Any name of AWS's form is that of an emulated region: it begins with its first snapshot.
}
