import Platform
import Synchronization
public import SystemPackage

/// The volumes of a store with what their snapshots need: the one place that opens, cuts and restores them.
///
/// One for a store, in one process at a time: a volume's tracking is in the memory of the one that has it open.
public final class TrackedVolumes: Sendable {
    /// One volume's part of a cut.
    public struct CutRequest: Hashable, Sendable {
        public var volume: String
        /// The snapshot's id, or another name that no cut had before; a path component without a dot.
        public var cut: String
        /// `trackedBase` if the caller has its blocks, or will have them before this cut's are needed.
        public var base: String?
        /// Whether the volume's next changes are counted from this cut. If not, they go on to be counted from what they
        /// are now, and this cut has no base but what the volume is restored from.
        public var becomesBase: Bool

        public init(volume: String, cut: String, base: String?, becomesBase: Bool = true) {
            self.volume = volume
            self.cut = cut
            self.base = base
            self.becomesBase = becomesBase
        }
    }

    public let store: VolumeStore
    /// What is not durable holds in this run of the kernel alone.
    public let boot: String
    /// As many as save or fetch a block at a time, with as many lanes as there should be.
    let buffers = BlockBufferPool(count: 16)
    private let report: @Sendable (UnreadableBlock) -> Void
    private let sources = Mutex<[String: any RestoreSource]>([:])
    private let openings = Monitor(Openings())

    private struct Openings: Sendable {
        /// Being opened by some thread.
        var underWay: Set<String> = []
        var open: [String: Reference] = [:]
        /// How large `open` may become before those that have been closed are taken out.
        private var limit = 64

        mutating func set(_ name: String, _ volume: VolumeBlocks?) {
            open[name] = volume.map { Reference(volume: $0) }
            if open.count <= limit { return }
            open = open.filter { $0.value.volume != nil }
            limit = max(64, 2 * open.count)
        }
    }

    private struct Reference: Sendable {
        weak var volume: VolumeBlocks?
    }

    /// Removes what a process left that died while it made, finished or removed something.
    ///
    /// - Parameters:
    ///   - boot: `bootID()`; another one stands for a loss of power.
    ///   - report: told of each attempt to restore a block that failed; called on threads of the data's way.
    public init(
        store: VolumeStore, boot: String, report: @escaping @Sendable (UnreadableBlock) -> Void
    ) throws(Errno) {
        self.store = store
        self.boot = boot
        self.report = report
        try sweep()
    }

    // MARK: Volumes

    /// Makes a volume whose blocks come from a snapshot when they are wanted; durable when the call returns.
    ///
    /// - Parameter sizeBytes: the snapshot's, or more.
    public func create(_ name: String, sizeBytes: Int64, restoring source: any RestoreSource) throws(Errno) {
        let blocks = VolumeBlock.count(sizeBytes: sizeBytes)
        guard VolumeStore.isName(name), VolumeStore.isName(source.name), sizeBytes > 0 else { throw .invalidArgument }
        guard blocks <= VolumeBlock.capacity else { throw .fileTooLarge }
        if try store.exists(name) { throw .fileExists }
        let directory = TrackingDirectory(store: store.directory, volume: name)
        try directory.remove()
        do throws(Errno) {
            try track(directory, source, blocks: blocks)
            try store.create(name, sizeBytes: sizeBytes)
        } catch {
            // The first error tells more, and the next start removes what stays.
            do { try directory.remove() } catch {}
            throw error
        }
        setSource(source, of: name)
    }

    /// What need not survive a loss of power comes first: what is made durable then takes it along, and a journal is
    /// written less often.
    private func track(
        _ directory: TrackingDirectory, _ source: any RestoreSource, blocks: Int
    ) throws(Errno) {
        try createDirectories(directory.path)
        try MappedBits(directory.changes(0), capacity: VolumeBlock.capacity).reserve(blocks)
        try writeFile(directory.record, Array(TrackingRecord(boot: boot, base: source.name).text.utf8))
        try VolumeRestore.begin(source, in: directory, blocks: blocks)
        try Directory.synchronize(directory.path)
        try Directory.synchronize(TrackingDirectory.root(store.directory))
    }

    /// Says where a volume's missing blocks are. For each volume that is not restored, before it is opened.
    public func setSource(_ source: any RestoreSource, of name: String) {
        sources.withLock { $0[name] = source }
    }

    /// The source is not needed any more: the volume is restored, or gone.
    public func forgetSource(of name: String) {
        sources.withLock { $0[name] = nil }
    }

    /// A volume's bytes, the same for everybody who has them open.
    ///
    /// - Throws: what opening files does; `.ioError` for a volume that has missing blocks and no source.
    public func open(_ name: String) throws(Errno) -> VolumeBlocks {
        if let open = beginOpening(name) { return open }
        var opened: VolumeBlocks?
        defer {
            openings.withLock { openings in
                openings.underWay.remove(name)
                openings.set(name, opened)
            }
        }
        let blocks = try VolumeBlocks(
            name, in: store, boot: boot, source: sources.withLock { $0[name] }, buffers: buffers, report: report)
        opened = blocks
        return blocks
    }

    /// How many volumes are remembered that are open, or were.
    var openingCount: Int { openings.withLock { $0.open.count } }

    private func beginOpening(_ name: String) -> VolumeBlocks? {
        openings.wait { openings -> VolumeBlocks?? in
            if openings.underWay.contains(name) { return nil }
            if let open = openings.open[name]?.volume { return .some(open) }
            openings.underWay.insert(name)
            return .some(nil)
        }
    }

    /// Lets those who have a volume open reach its new end, once the store has grown it. No change when nobody has.
    public func grow(_ name: String, to sizeBytes: Int64) throws(Errno) {
        try volumeIfOpen(name)?.grow(to: sizeBytes)
    }

    /// What `open` would give without opening anything: `nil` when nobody has the volume open.
    public func volumeIfOpen(_ name: String) -> VolumeBlocks? { openings.withLock { $0.open[name]?.volume } }

    // MARK: Cuts

    /// What a volume's changes are counted from: a cut, or the source that it was made from. Nothing when that is
    /// unknown, as after a loss of power, or never was.
    public func trackedBase(of name: String) throws(Errno) -> String? {
        let volume = try open(name)
        return try volume.controlling { () throws(Errno) in unsafe volume.usableBase(volume.tracking) }
    }

    /// Cuts volumes at one instant: each cut has what was written before this call, and nothing of what is written
    /// after it has returned. Writers wait meanwhile, for microseconds on most filesystems.
    ///
    /// All are cut or, after an error, none.
    public func cut(_ requests: [CutRequest]) throws(Errno) -> [Cut] {
        // One order for all, so that nobody waits in a circle.
        let sorted = requests.enumerated().sorted { $0.element.volume < $1.element.volume }
        var volumes: [VolumeBlocks] = []
        for request in sorted {
            guard VolumeStore.isName(request.element.cut) else { throw .invalidArgument }
            volumes.append(try open(request.element.volume))
        }
        guard Set(volumes.map(\.name)).count == volumes.count else { throw .invalidArgument }
        for volume in volumes { volume.beginControl() }
        defer { for volume in volumes { volume.endControl() } }
        let prepared = try prepare(sorted.map(\.element), volumes)
        try take(prepared)
        var cuts: [(place: Int, cut: Cut)] = []
        for (request, prepared) in zip(sorted, prepared) {
            prepared.volume.tidy(after: prepared)
            cuts.append((request.offset, prepared.cut))
        }
        return cuts.sorted { $0.place < $1.place }.map(\.cut)
    }

    private func prepare(_ requests: [CutRequest], _ volumes: [VolumeBlocks]) throws(Errno) -> [PreparedCut] {
        var prepared: [PreparedCut] = []
        do throws(Errno) {
            for (request, volume) in zip(requests, volumes) {
                prepared.append(try volume.prepareCut(request))
            }
            return prepared
        } catch {
            for one in prepared { one.volume.drop(one) }
            throw error
        }
    }

    private func take(_ prepared: [PreparedCut]) throws(Errno) {
        for one in prepared { one.volume.gate.close() }
        for one in prepared { one.volume.gate.drain() }
        var taken = 0
        do throws(Errno) {
            defer { for one in prepared { one.volume.gate.open() } }
            for one in prepared { try one.volume.fix(one) }
            for one in prepared {
                try one.volume.take(one)
                taken += 1
            }
        } catch {
            for one in prepared[..<taken] { one.volume.takeBack(one, because: error) }
            for one in prepared[taken...] { one.volume.drop(one) }
            throw error
        }
    }

    /// The cuts that are not finished. After a restart these are the ones that can go on: those that are not among them
    /// were lost with the kernel's memory, or had not been made.
    ///
    /// - Parameter unusable: told of each that cannot be opened; it stays where it is, and is not among the others.
    public func pendingCuts(unusable: (_ cut: String, Errno) -> Void) throws(Errno) -> [Cut] {
        var cuts: [Cut] = []
        for place in try CutDirectory.all(in: store.directory) {
            do throws(Errno) {
                cuts += try openCuts(at: place)
            } catch {
                unusable(place.cut, error)
            }
        }
        return cuts
    }

    private func openCuts(at place: CutDirectory) throws(Errno) -> [Cut] {
        guard try !place.isDetached() else {
            return try Cut.open(at: place, boot: boot, store: store, buffers: buffers).map { [$0] } ?? []
        }
        let volume = try open(place.volume)
        let cuts = try volume.controlling { () throws(Errno) in
            unsafe volume.tracking.cuts.filter { $0.name == place.cut }
        }
        // One that the volume could not open says why.
        if cuts.isEmpty { _ = try Cut.open(at: place, boot: boot, store: store, buffers: buffers) }
        return cuts
    }

    /// Gives a cut's space back: it has become a snapshot, or will not.
    ///
    /// If it failed, those that count from it fail too, and the volume's next cut takes in everything.
    public func finish(_ cut: Cut) throws(Errno) {
        if let volume = volumeIfOpen(cut.volume) {
            try volume.controlling { () throws(Errno) in try volume.forget(cut) }
        }
        try cut.directory.remove()
    }

    // MARK: Beginning and end

    /// At a clean stop, once nothing writes any more: lets what is tracked hold in the next boot.
    ///
    /// - Throws: the first error, after all that can be settled are; the next cut of the others takes in everything.
    public func settle() throws(Errno) {
        var failure: Errno?
        for name in try TrackingDirectory.names(in: TrackingDirectory.root(store.directory)).sorted() {
            do throws(Errno) {
                if try store.exists(name) { try open(name).settle() }
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Removes cuts that nothing names, or that belong to another boot, and tracking without a volume.
    ///
    /// What cannot be read stays, for it costs its own volume or snapshot alone: whoever opens that is told. What cannot be
    /// removed is tried again at the next start.
    private func sweep() throws(Errno) {
        for place in try CutDirectory.all(in: store.directory) {
            do throws(Errno) { if try !isInProgress(place) { try place.remove() } } catch { continue }
        }
        for name in try TrackingDirectory.names(in: TrackingDirectory.root(store.directory)) {
            let directory = TrackingDirectory(store: store.directory, volume: name)
            do throws(Errno) {
                if try !store.exists(name) { try directory.remove() } else { try sweep(directory) }
            } catch { continue }
        }
    }

    private func isInProgress(_ place: CutDirectory) throws(Errno) -> Bool {
        let record = try TrackingDirectory(store: store.directory, volume: place.volume).readRecord()
        let isNamed = record.boot == boot && record.cuts.contains(place.cut)
        if isNamed { return try place.readRecord()?.boot == boot }
        guard try place.isDetached() else { return false }
        do throws(Errno) {
            return try place.readRecord()?.boot == boot
        } catch {
            if error.isOfProcess { throw error }
            // It would never be opened, and keep the space of a volume that is gone.
            return false
        }
    }

    private func sweep(_ directory: TrackingDirectory) throws(Errno) {
        let record = try directory.readRecord()
        let isRestored = try directory.readSource() == nil
        for name in try TrackingDirectory.names(in: directory.path) {
            let file = directory.path.appending(name)
            let isOldMap =
                name.hasPrefix("changes.") && (record.base == nil || file != directory.changes(record.generation))
            let isHalfMade = name.hasPrefix("record.") || name.hasSuffix(".new")
            if isHalfMade || isOldMap || isRestored && name.hasPrefix("missing") { _ = try Directory.unlink(file) }
        }
    }
}

extension VolumeStore {
    /// Lets a volume's cuts in progress stand without it.
    func detachCuts(of name: String) throws(Errno) {
        let record: TrackingRecord
        do throws(Errno) {
            record = try TrackingDirectory(store: directory, volume: name).readRecord()
        } catch {
            if error.isOfProcess { throw error }
            // Nobody could open the volume, or go on with its cuts, which nothing names now.
            return
        }
        for cut in record.cuts {
            let place = CutDirectory(store: directory, cut: cut, volume: name)
            if try !TrackingDirectory.names(in: place.path).isEmpty { try writeFile(place.detached, []) }
        }
    }
}

extension Errno {
    /// That there is no room in the process, or in the kernel, now says nothing about a file.
    var isOfProcess: Bool { [.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory].contains(self) }
}
