// How a cut is made and finished. The caller has `control`.
//
// Whatever can fail or take long comes before the gate is closed, and leaves nothing if it fails. With the gate closed
// one file takes another's name: from then on, for this process and the next, the volume has the cut, a new map
// of changes, and the cut as their base. A process that dies before that leaves a directory that nothing names.
import Platform
import SystemPackage

/// A cut that has everything but its instant.
struct PreparedCut: Sendable {
    let volume: VolumeBlocks
    let cut: Cut
    /// What becomes the volume's changes; what they are already when the cut does not become their base.
    let changes: MappedBits?
    let becomesBase: Bool
    let record: TrackingRecord
    /// The cut's map, where it has to be made at the instant.
    let needed: MappedBits?
    /// The files that become clones of the volume's.
    let clones: [ClonePair]
}

/// A part of a volume and its clone, open as long as this is there.
final class ClonePair: Sendable {
    private let clone: FileDescriptor
    private let part: FileDescriptor

    init(_ clonePath: FilePath, of path: FilePath) throws(Errno) {
        part = try .openFile(path, .readOnly)
        do throws(Errno) {
            clone = try .openFile(
                clonePath, .readWrite, options: [.create, .truncate], permissions: [.ownerReadWrite])
        } catch {
            part.closeIgnoringErrors()
            throw error
        }
    }

    deinit {
        clone.closeIgnoringErrors()
        part.closeIgnoringErrors()
    }

    /// Whether `renew` takes no longer than a cut may.
    func isRenewedQuickly() throws(Errno) -> Bool { try part.isClonedQuickly() }

    /// Makes the clone what the part is now.
    func renew() throws(Errno) { try clone.cloneContents(of: part) }
}

extension VolumeBlocks {
    func prepareCut(_ request: TrackedVolumes.CutRequest) throws(Errno) -> PreparedCut {
        let place = CutDirectory(store: store.directory, cut: request.cut, volume: name)
        if unsafe tracking.cuts.contains(where: { $0.name == request.cut }) { throw .fileExists }
        try place.remove()
        try createDirectories(place.path)
        try createDirectories(directory.path)
        do throws(Errno) {
            return try prepare(place, base: request.becomesBase ? request.base : nil, request.becomesBase)
        } catch {
            removePrepared(place)
            throw error
        }
    }

    /// - Parameter base: what the caller has, or will have, all blocks of.
    private func prepare(
        _ place: CutDirectory, base: String?, _ becomesBase: Bool
    ) throws(Errno) -> PreparedCut {
        let tracking = unsafe tracking
        let count = VolumeBlock.count(sizeBytes: sizeBytes)
        let missing = restore.flatMap { $0.isComplete ? nil : $0 }
        let isCounted = base != nil && base == usableBase(tracking)
        let clones = try clone(into: place)
        let record = CutRecord(
            boot: boot, sizeBytes: sizeBytes, base: isCounted ? base : missing?.source.name, isClone: clones != nil)
        try writeFile(place.record, Array(record.text.utf8))
        if clones == nil { try linkParts(into: place) }
        for path in [place.saved, place.done] {
            try MappedBits(path, capacity: VolumeBlock.capacity).reserve(count)
        }
        try MappedBits(place.chunks, capacity: CutChunk.capacity).reserve(count * CutChunk.countInBlock)
        try MappedBits(place.state, capacity: 128).reserve(128)
        try makeOldParts(place)
        try writeFile(place.names, [])
        try writeFile(place.lastRecord, [UInt8](repeating: 0, count: CutDirectory.recordBytes))
        let needed = try makeNeeded(place, isCounted ? tracking : nil, count, isComplete: missing == nil)
        var next = tracking.record
        next.boot = boot
        next.cuts.append(place.cut)
        var changes = tracking.changes
        if becomesBase {
            next.base = place.cut
            next.generation += 1
            changes = try makeChanges(next.generation, count)
        }
        try writeFile(directory.nextRecord, Array(next.text.utf8))
        return PreparedCut(
            volume: self, cut: try Cut(place, record, store: store, buffers: buffers), changes: changes,
            becomesBase: becomesBase, record: next, needed: missing == nil ? nil : needed, clones: clones ?? [])
    }

    private func makeChanges(_ generation: Int, _ count: Int) throws(Errno) -> MappedBits {
        _ = try Directory.unlink(directory.changes(generation))
        let changes = try MappedBits(directory.changes(generation), capacity: VolumeBlock.capacity)
        try changes.reserve(count)
        return changes
    }

    /// What changes are counted from, unless that has failed.
    func usableBase(_ tracking: Tracking) -> String? {
        guard let base = tracking.record.base, tracking.changes != nil else { return nil }
        return tracking.cuts.contains { $0.name == base && $0.failure != nil } ? nil : base
    }

    /// The volume's changes, which become the cut's; or a map of its own, with all blocks.
    private func makeNeeded(
        _ place: CutDirectory, _ tracking: Tracking?, _ count: Int, isComplete: Bool
    ) throws(Errno) -> MappedBits? {
        if let tracking, isComplete {
            try linkFile(directory.changes(tracking.record.generation), as: place.needed)
            return nil
        }
        let map = try MappedBits(place.needed, capacity: VolumeBlock.capacity)
        try map.reserve(count)
        map.set(0..<count)
        return map
    }

    /// Clones once beforehand: it tells whether that is possible, and makes what is dirty clean, which the clone at the
    /// instant would wait for. Nil where extents cannot be shared, or not quickly: whoever writes waits for a clone.
    private func clone(into place: CutDirectory) throws(Errno) -> [ClonePair]? {
        let count = store.partLengths(sizeBytes: sizeBytes).count
        var clones: [ClonePair] = []
        do throws(Errno) {
            while clones.count < count, let next = try quickClone(of: clones.count, into: place) { clones.append(next) }
        } catch {
            guard error.isRefusedRequest else { throw error }
        }
        if clones.count == count { return clones }
        for part in 0..<count { _ = try Directory.unlink(place.part(part)) }
        return nil
    }

    private func quickClone(of part: Int, into place: CutDirectory) throws(Errno) -> ClonePair? {
        let pair = try ClonePair(place.part(part), of: store.path(name, part: part))
        guard try pair.isRenewedQuickly() else { return nil }
        try pair.renew()
        return pair
    }

    private func linkParts(into place: CutDirectory) throws(Errno) {
        for part in store.partLengths(sizeBytes: sizeBytes).indices {
            try linkFile(store.path(name, part: part), as: place.part(part))
        }
    }

    private func makeOldParts(_ place: CutDirectory) throws(Errno) {
        for (part, length) in store.partLengths(sizeBytes: sizeBytes).enumerated() {
            let file = try FileDescriptor.openFile(
                place.old(part), .readWrite, options: [.create, .truncate], permissions: [.ownerReadWrite])
            defer { file.closeIgnoringErrors() }
            try file.setLength(length)
        }
    }

    // MARK: The instant

    /// The gate is closed and nobody inside. What can fail: after an error the cut can be dropped.
    func fix(_ prepared: PreparedCut) throws(Errno) {
        for pair in prepared.clones { try pair.renew() }
        guard let needed = prepared.needed, let restore else { return }
        let changes = unsafe usableBase(tracking) == prepared.cut.base ? unsafe tracking.changes : nil
        for word in 0..<(prepared.cut.blockCount + 63) / 64 {
            let changed = changes?.word(word) ?? needed.word(word)
            // What is missing is the source's, also where a write began and failed.
            needed.setWord(word, to: changed & needed.word(word) & ~restore.missing.word(word))
        }
    }

    /// The gate is closed and nobody inside: from here on the volume has the cut.
    func take(_ prepared: PreparedCut) throws(Errno) {
        try renameFile(directory.nextRecord, to: directory.record)
        prepared.cut.keep(self)
        unsafe tracking = Tracking(prepared.record, prepared.changes, tracking.cuts + [prepared.cut])
    }

    /// The gate is open again, and the cut taken.
    func tidy(after prepared: PreparedCut) {
        guard prepared.becomesBase else { return }
        // Nothing reads the former changes any more, the cut is taken, and the next start removes what stays.
        do { _ = try Directory.unlink(directory.changes(prepared.record.generation - 1)) } catch {}
    }

    /// The gate is open again, and the cut not taken.
    func drop(_ prepared: PreparedCut) { removePrepared(prepared.cut.directory) }

    /// Removes what was made for a cut that is not taken. The error that it was not taken for tells more than one
    /// here, and the next start removes what stays.
    private func removePrepared(_ place: CutDirectory) {
        do { try place.remove() } catch {}
        do { _ = try Directory.unlink(directory.nextRecord) } catch {}
        do { _ = try Directory.unlink(directory.changes(unsafe tracking.record.generation + 1)) } catch {}
    }

    /// The gate is open again, and the cut taken, but not another volume's of the same instant.
    ///
    /// When that fails too, the cut is one that failed, which the record names: it is among the pending ones.
    func takeBack(_ prepared: PreparedCut, because error: Errno) {
        prepared.cut.fail(CutFailure(error))
        tidy(after: prepared)
        do throws(Errno) {
            try forget(prepared.cut)
            try prepared.cut.directory.remove()
        } catch {}
    }

    // MARK: The end

    /// Owes nothing to a cut any more. The caller removes its directory afterwards.
    func forget(_ cut: Cut) throws(Errno) {
        guard unsafe tracking.cuts.contains(where: { $0 === cut }) else { return }
        let hasFailed = cut.failure != nil
        if hasFailed {
            for younger in unsafe tracking.cuts where younger.base == cut.name { younger.fail(.baseFailed) }
        }
        var record = unsafe tracking.record
        record.cuts.removeAll { $0 == cut.name }
        let isUnknown = hasFailed && record.base == cut.name
        if isUnknown { record.base = nil }
        // A volume that was removed has no record.
        if try TrackingDirectory.text(of: directory.record) != nil {
            try overwriteFile(cut.directory.lastRecord, Array(record.text.utf8))
            try renameFile(cut.directory.lastRecord, to: directory.record)
        }
        gate.close()
        gate.drain()
        unsafe tracking = Tracking(
            record, isUnknown ? nil : tracking.changes, tracking.cuts.filter { $0 !== cut })
        gate.open()
        cut.keep(nil)
        // Nothing counts on them any more, and the next start removes what stays.
        if isUnknown { do { _ = try Directory.unlink(directory.changes(record.generation)) } catch {} }
    }

    /// Makes what is tracked hold after a reboot. Nothing may change the volume any more.
    func settle() throws(Errno) {
        try synchronize()
        var record = unsafe tracking.record
        guard record.boot != nil else { return }
        try unsafe tracking.changes?.synchronize()
        record.isClean = true
        try directory.writeRecord(record)
    }
}
