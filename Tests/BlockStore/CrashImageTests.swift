import Glibc
import Platform
import Synchronization
import SystemPackage
import Testing

@testable import BlockStore

/// The state of a real filesystem at random moments of writing, cutting, copying and restoring, as the next process
/// finds it after `kill -9`, and after a loss of power.
@Suite struct CrashImageTests {
    /// A seed fixes what is done; when it is cut off is the scheduler's.
    @Test(arguments: [1, SystemRandom().next()])
    func whatIsFoundIsWhatWasPromised(seed: UInt64) async throws {
        try await CrashDisk.run { disk in
            let random = SeededRandom(seed: seed)
            let play = try CrashPlay(disk.live, seed: seed)
            play.start()
            var failure: (any Error)?
            do {
                for number in 0..<8 {
                    let moment = SystemClock().uptimeNanoseconds() + Int64(random.next() % 400_000_000)
                    waitInThisThread(untilUptimeNanoseconds: moment)
                    let end: CrashDisk.End = number % 2 == 0 ? .kill : .powerLoss
                    let before = play.promises
                    try await disk.withImage(end) { found in
                        let promises = CrashPromises(before: before, after: play.promises)
                        // However long a busy machine looks at it, the disk does not fill meanwhile.
                        play.pause()
                        defer { play.resume() }
                        try Finding(found, end, promises, "seed \(seed), image \(number)").check()
                    }
                }
            } catch {
                failure = error
            }
            try play.stop()
            if let failure { throw failure }
        }
    }
}

/// What holds at a moment.
struct Promises {
    var volumes: [String: PageHistory] = [:]
    /// The names of those that are made from a snapshot, and of the snapshot.
    var sources: [String: Digest] = [:]
    /// Those that have been made.
    var created: Set<String> = []
    /// By cut and volume.
    var snapshots: [CutKey: (manifest: Manifest, pages: [UInt8])] = [:]
    var cuts: [CutKey: (from: Int, to: Int)] = [:]
    var epoch: UInt64 = 0
}

struct CutKey: Hashable {
    let cut: String
    let volume: String
}

/// What held before an image was taken, and what may have come until then.
struct CrashPromises {
    let before: Promises
    let after: Promises
}

/// Two threads that write, cut, copy and restore until they are stopped.
private final class CrashPlay: Sendable {
    static let pageCount = 3 * 256 + 5
    static var sizeBytes: Int64 { Int64(pageCount * PageHistory.pageBytes) }

    private let volumes: TrackedVolumes
    private let store: SnapshotStore
    private let state: Mutex<Promises>
    private let isStopping = Atomic(false)
    private let isPausing = Atomic(false)
    private let failure = Mutex<(any Error)?>(nil)
    private let threads = Mutex<[KernelThread]>([])
    /// Open as long as they are written, as attached ones are.
    private let open = Mutex<[String: VolumeBlocks]>([:])
    private let seed: UInt64

    init(_ directory: FilePath, seed: UInt64) throws {
        self.seed = seed
        store = try SnapshotStore(directory: directory.appending("snapshots"))
        let files = try VolumeStore(directory: directory.appending("volumes"), partBytes: 2 << 20)
        volumes = try TrackedVolumes(store: files, boot: "boot-1") { _ in }
        state = Mutex(Promises(epoch: store.epoch))
        try files.create("vol-0", sizeBytes: Self.sizeBytes)
        try keepOpen("vol-0")
        state.withLock { state in
            state.volumes["vol-0"] = PageHistory([UInt8](repeating: 0, count: Self.pageCount))
            state.created = ["vol-0"]
        }
    }

    var promises: Promises { state.withLock { $0 } }

    func start() {
        let threads = [
            KernelThread(name: "writer") { [self] in run(SeededRandom(seed: seed), write) },
            KernelThread(name: "cutter") { [self] in run(SeededRandom(seed: ~seed), cut) },
        ]
        for thread in threads { thread.start() }
        self.threads.withLock { $0 = threads }
    }

    func stop() throws {
        isStopping.store(true, ordering: .relaxed)
        let threads = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for thread in threads { thread.join() }
        if let failure = failure.withLock({ $0 }) { throw failure }
    }

    /// No step begins until `resume`.
    func pause() { isPausing.store(true, ordering: .relaxed) }

    func resume() { isPausing.store(false, ordering: .relaxed) }

    private func run(_ random: SeededRandom, _ step: (SeededRandom) throws -> Void) {
        do {
            while !isStopping.load(ordering: .relaxed) {
                if isPausing.load(ordering: .relaxed) { rest(milliseconds: 1) } else { try step(random) }
            }
        } catch {
            failure.withLock { $0 = error }
        }
    }

    private func rest(milliseconds: UInt64) {
        waitInThisThread(untilUptimeNanoseconds: SystemClock().uptimeNanoseconds() + Int64(milliseconds) * 1_000_000)
    }

    // MARK: Writing

    private func write(_ random: SeededRandom) throws {
        let names = state.withLock { $0.created.sorted() }
        let name = names[Int(random.next() % UInt64(names.count))]
        switch random.next() % 16 {
        case 0: try flush(name)
        case 1...3: try writeSomeBack(random)
        case 4...6: _ = try volumes.open(name).bytes(at: Int64(random.next() % 512) * 4096, count: 8192)
        case 7...9: try change(name, random, isPunch: true)
        default: try change(name, random, isPunch: false)
        }
        rest(milliseconds: random.next() % 4)
    }

    private func change(_ name: String, _ random: SeededRandom, isPunch: Bool) throws {
        // Half of the changes are of whole blocks.
        let unit = random.next() % 2 == 0 ? 1 : 128
        let start = Int(random.next() % UInt64(Self.pageCount)) / unit * unit
        let end = min(Self.pageCount, start + (1 + Int(random.next() % 3)) * unit)
        let value = isPunch ? 0 : UInt8(1 + random.next() % 255)
        state.withLock { $0.volumes[name]?.begin(.init(pages: start..<end, value: value)) }
        let (offset, length) = (Int64(start * PageHistory.pageBytes), (end - start) * PageHistory.pageBytes)
        let volume = try volumes.open(name)
        if isPunch {
            try volume.punchHole(at: offset, length: Int64(length))
        } else {
            try volume.write([UInt8](repeating: value, count: length), at: offset)
        }
        state.withLock { $0.volumes[name]?.end() }
    }

    private func flush(_ name: String) throws {
        let count = state.withLock { $0.volumes[name]?.endedCount ?? 0 }
        try volumes.open(name).synchronize()
        state.withLock { $0.volumes[name]?.flushed(count) }
    }

    /// As the kernel does when it likes: a part of a file goes to the disk, others do not.
    private func writeSomeBack(_ random: SeededRandom) throws {
        let root = volumes.store.directory
        var files = try Directory.names(in: root).filter { !$0.hasPrefix(".") }
        for volume in try TrackingDirectory.names(in: TrackingDirectory.root(root)) {
            let directory = TrackingDirectory(store: root, volume: volume)
            files += try TrackingDirectory.names(in: directory.path).map { ".maps/\(volume)/\($0)" }
        }
        let name = files.sorted()[Int(random.next() % UInt64(files.count))]
        let start = Int64(random.next() % 512) * 4096
        try beginWritingBack(root.pushing(FilePath(name)), start..<start + Int64(random.next() % 256) * 4096)
    }

    private func beginWritingBack(_ path: FilePath, _ range: Range<Int64>) throws(Errno) {
        let file: FileDescriptor
        do throws(Errno) {
            file = try .openFile(path, .readOnly)
        } catch .noSuchFileOrDirectory {
            // A cut has replaced it.
            return
        }
        defer { file.closeIgnoringErrors() }
        // Hardly any other call begins without waiting for the end.
        let result = posix_fadvise(file.rawValue, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_DONTNEED)
        if result != 0 { throw Errno(rawValue: result) }
    }

    // MARK: Cutting and restoring

    private func cut(_ random: SeededRandom) throws {
        rest(milliseconds: random.next() % 40)
        let number = state.withLock { $0.cuts.count + $0.snapshots.count }
        let names = state.withLock { $0.created.sorted() }
        let before = promises
        let requests = try names.map { name in
            let base = try volumes.trackedBase(of: name)
            return TrackedVolumes.CutRequest(volume: name, cut: "snap-\(number)", base: base)
        }
        let cuts = try volumes.cut(requests)
        state.withLock { state in
            for name in names {
                state.cuts[CutKey(cut: "snap-\(number)", volume: name)] =
                    (before.volumes[name]?.endedCount ?? 0, state.volumes[name]?.begunCount ?? 0)
            }
        }
        for cut in cuts { try complete(cut) }
        if names.count < 4 { try restore(cuts[Int(random.next() % UInt64(cuts.count))]) }
        if random.next() % 4 == 0, let name = names.last {
            try volumes.open(name).hydrate(clock: SystemClock())
            _ = try volumes.open(name).endRestore()
        }
    }

    private func complete(_ cut: Cut) throws {
        let key = CutKey(cut: cut.name, volume: cut.volume)
        let parent = try cut.base.map { base in
            try promises.manifest(of: base, volume: cut.volume, store)
        }
        let writer = store.beginWriting()
        defer { writer.end() }
        try cut.copy(into: SlowSink(writer))
        let manifest = try store.build(cut, parent: parent, writer)
        try store.synchronize()
        let pages = try store.pages(of: manifest)
        guard let history = promises.volumes[cut.volume], let moment = promises.cuts[key] else { return }
        if !history.isMoment(pages, from: moment.from, to: moment.to) { throw WrongSnapshot(key: key) }
        state.withLock { state in
            state.snapshots[key] = (manifest, pages)
            state.cuts[key] = nil
        }
        try volumes.finish(cut)
    }

    private func restore(_ cut: Cut) throws {
        guard let snapshot = promises.snapshots[CutKey(cut: cut.name, volume: cut.volume)] else { return }
        let name = state.withLock { state in
            let name = "vol-\(state.volumes.count)"
            state.volumes[name] = PageHistory(snapshot.pages)
            state.sources[name] = snapshot.manifest.name
            return name
        }
        try volumes.create(name, sizeBytes: Self.sizeBytes, restoring: SnapshotSource(store, snapshot.manifest))
        try keepOpen(name)
        state.withLock { _ = $0.created.insert(name) }
    }

    private func keepOpen(_ name: String) throws {
        let volume = try volumes.open(name)
        open.withLock { $0[name] = volume }
    }
}

private struct WrongSnapshot: Error {
    let key: CutKey
}

/// Leaves time between two blocks for somebody to look.
private struct SlowSink: BlockSink {
    let writer: SnapshotWriter
    var epoch: UInt64 { writer.epoch }

    init(_ writer: SnapshotWriter) { self.writer = writer }

    func put(_ block: RawSpan) throws -> Digest? {
        waitInThisThread(untilUptimeNanoseconds: SystemClock().uptimeNanoseconds() + 3_000_000)
        return try writer.put(block)
    }
}

extension Promises {
    /// What a cut counts from: a snapshot of the same volume, or what it was made from.
    fileprivate func manifest(of base: String, volume: String, _ store: SnapshotStore) throws -> Manifest {
        if let snapshot = snapshots[CutKey(cut: base, volume: volume)] { return snapshot.manifest }
        return try store.manifest(try #require(Digest(hex: base), "\(base) of \(volume) is no snapshot"))
    }
}

extension SnapshotStore {
    fileprivate func build(_ cut: Cut, parent: Manifest?, _ writer: SnapshotWriter) throws -> Manifest {
        var builder = ManifestBuilder(writer, volumeSizeBytes: cut.volumeSizeBytes, parent: parent)
        try cut.forEachChange { try builder.set($0, to: $1) }
        return try builder.finish()
    }

    fileprivate func pages(of manifest: Manifest) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: manifest.blockCount << 19)
        try forEachBlock(of: manifest) { block, name in
            bytes.replaceSubrange(block << 19..<(block + 1) << 19, with: try self.bytes(of: name))
            return true
        }
        return try PageHistory.pages(of: Array(bytes.prefix(Int(manifest.volumeSizeBytes))))
    }
}

/// What the next process finds.
private final class Finding {
    private let end: CrashDisk.End
    private let promises: CrashPromises
    private let place: String
    private let volumes: TrackedVolumes
    private let store: SnapshotStore
    /// Of the cuts that went on.
    private var completed: [CutKey: Manifest] = [:]

    init(_ directory: FilePath, _ end: CrashDisk.End, _ promises: CrashPromises, _ place: String) throws {
        self.end = end
        self.promises = promises
        self.place = "\(place), \(end)"
        store = try SnapshotStore(directory: directory.appending("snapshots"))
        let files = try VolumeStore(directory: directory.appending("volumes"), partBytes: 2 << 20)
        volumes = try TrackedVolumes(store: files, boot: end == .kill ? "boot-1" : "boot-2") { _ in }
    }

    func check() throws {
        for (name, source) in promises.after.sources where try volumes.store.exists(name) {
            volumes.setSource(SnapshotSource(store, try store.manifest(source)), of: name)
        }
        let pending = try volumes.pendingCuts { cut, error in
            Issue.record("\(place): \(cut) cannot be opened: \(error)")
        }
        try sweep(pending)
        for (key, snapshot) in promises.before.snapshots {
            expect(try store.pages(of: snapshot.manifest) == snapshot.pages, "\(key)")
        }
        try checkCuts(pending)
        for name in promises.after.volumes.keys.sorted() { try checkVolume(name) }
    }

    /// Thousands of pages tell less than where the difference is.
    private func expect(_ holds: Bool, _ what: String, at location: SourceLocation = #_sourceLocation) {
        if !holds { Issue.record("\(place): \(what)", sourceLocation: location) }
    }

    /// The catalog would have kept what was committed.
    private func sweep(_ pending: [Cut]) throws {
        var known: Set<Digest> = []
        for (key, snapshot) in promises.after.snapshots {
            do {
                let manifest = try store.manifest(snapshot.manifest.name)
                var names: Set<Digest> = [manifest.name]
                try store.forEachReference(of: manifest, segments: 0..<manifest.segmentCount) { name, _ in
                    names.insert(name).inserted
                }
                known.formUnion(names)
            } catch let error as SnapshotStoreError {
                // Committed only after the image was taken.
                if promises.before.snapshots[key] != nil { throw error }
            }
        }
        let writer = store.beginWriting()
        for cut in pending { writer.hold(cut) }
        _ = try store.sweep { known.contains($0) }
        writer.end()
    }

    private func checkCuts(_ pending: [Cut]) throws {
        let found = Set(pending.map { CutKey(cut: $0.name, volume: $0.volume) })
        if end == .powerLoss { expect(found.isEmpty, "cuts of another boot") }
        for key in promises.before.cuts.keys where promises.after.cuts[key] != nil && end == .kill {
            expect(found.contains(key), "\(key) is lost")
        }
        for cut in pending { try checkCut(cut) }
    }

    private func checkCut(_ cut: Cut) throws {
        let key = CutKey(cut: cut.name, volume: cut.volume)
        defer { #expect(throws: Never.self) { try volumes.finish(cut) } }
        if cut.failure == .storeFailed, store.epoch != promises.before.epoch {
            // Killed while it synchronized.
            return
        }
        let writer = store.beginWriting()
        defer { writer.end() }
        try cut.copy(into: writer)
        let manifest = try store.build(cut, parent: try parent(of: cut), writer)
        let pages = try store.pages(of: manifest)
        completed[key] = manifest
        if let snapshot = promises.after.snapshots[key] {
            return expect(pages == snapshot.pages, "\(key)")
        }
        let history = try #require(promises.after.volumes[cut.volume])
        let from = promises.after.cuts[key]?.from ?? promises.before.volumes[cut.volume]?.endedCount ?? 0
        let to = promises.after.cuts[key]?.to ?? history.begunCount
        expect(history.isMoment(pages, from: from, to: to), "\(key)")
    }

    private func checkVolume(_ name: String) throws {
        guard try volumes.store.exists(name) else {
            expect(!promises.before.created.contains(name), "\(name) is lost")
            return
        }
        let history = try #require(promises.after.volumes[name])
        let former = promises.before.volumes[name]
        let from = end == .kill ? former?.endedCount : former?.flushedCount
        let pages = try self.pages(of: name)
        let page = history.firstImpossible(pages, from: from ?? 0, to: history.begunCount)
        expect(page == nil, "page \(page ?? 0) of \(name)")
        try checkNextCut(name, pages)
        try volumes.open(name).hydrate(clock: SystemClock())
        expect(try volumes.open(name).endRestore(), "\(name) is not restored")
        expect(try self.pages(of: name) == pages, "\(name) after it was restored")
    }

    /// What changed until then has been counted.
    private func checkNextCut(_ name: String, _ pages: [UInt8]) throws {
        let base = try volumes.trackedBase(of: name)
        let request = TrackedVolumes.CutRequest(volume: name, cut: "next-\(name)", base: base)
        let cut = try volumes.cut([request])[0]
        let writer = store.beginWriting()
        defer { writer.end() }
        try cut.copy(into: writer)
        let manifest = try store.build(cut, parent: try parent(of: cut), writer)
        expect(try store.pages(of: manifest) == pages, "the next cut of \(name)")
        try volumes.finish(cut)
    }

    private func parent(of cut: Cut) throws -> Manifest? {
        try cut.base.map { base in
            try completed[CutKey(cut: base, volume: cut.volume)]
                ?? promises.after.manifest(of: base, volume: cut.volume, store)
        }
    }

    private func pages(of name: String) throws -> [UInt8] {
        try PageHistory.pages(of: volumes.open(name).bytes(at: 0, count: Int(CrashPlay.sizeBytes)))
    }
}
