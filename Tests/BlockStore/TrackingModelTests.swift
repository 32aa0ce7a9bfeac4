import Platform
import SystemPackage
import Testing

@testable import BlockStore

/// A volume that is cut, copied, restored, killed and loses power, beside arrays of bytes.
@Suite struct TrackingModelTests {
    /// Six seeds that stay, and two that are new each time.
    static let seeds: [UInt64] = [1, 2, 3, 4, 5, 6, SystemRandom().next(), SystemRandom().next()]

    @Test(arguments: seeds) func everyCutHoldsWhatTheVolumeHeldAtItsInstant(seed: UInt64) async throws {
        try await TrackingFixture.run(partBytes: 3 << 20) { fixture in
            let model = TrackingModel(fixture, seed: seed)
            try model.begin()
            for step in 0..<120 {
                let operation = try model.step()
                if let difference = model.difference {
                    Issue.record("seed \(seed), step \(step), \(operation): \(difference)")
                    return
                }
            }
            try model.finishEverything()
            #expect(model.difference == nil, "seed \(seed), at the end")
            #expect(try TrackingDirectory.names(in: CutDirectory.root(fixture.store.directory)) == [], "seed \(seed)")
        }
    }
}

/// Plays operations and knows what each volume and cut must hold.
final class TrackingModel {
    enum Operation: CaseIterable {
        case write, writeMore, writeBlocks, punch, zero, read, seek, synchronize, cut, cutAgain, copySome, copyAll,
            kill, loseBoot, hydrate, grow, restore, fail, settle
    }

    /// A cut that is not finished.
    struct Pending {
        var cut: Cut
        var base: String?
        var bytes: [UInt8]
    }

    let fixture: TrackingFixture
    private let random: SeededRandom
    private let seed: UInt64
    let sink = MemorySink()
    /// How many more blocks are copied before that is cancelled.
    private var putsLeft = Int.max
    var difference: String?
    private var volume: String
    private var bytes: [UInt8]
    private var number = 0
    private var pending: [Pending] = []
    /// Completed snapshots, by name.
    private var snapshots: [String: MemorySnapshot] = [:]
    private var open: VolumeBlocks?

    init(_ fixture: TrackingFixture, seed: UInt64) {
        self.fixture = fixture
        self.seed = seed
        random = SeededRandom(seed: seed)
        volume = "vol-1"
        // The last block is short, and parts end in the middle of blocks' runs.
        bytes = [UInt8](repeating: 0, count: 7 << 20 | 20 << 10)
    }

    private func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

    func begin() throws {
        try fixture.store.create(volume, sizeBytes: Int64(bytes.count))
        open = try fixture.volumes.open(volume)
    }

    private func range(_ longest: Int) -> Range<Int> {
        let start = below(bytes.count / 512) * 512
        return start..<min(bytes.count, start + 512 + below(longest / 512) * 512)
    }

    /// Half of the long ranges end on blocks.
    private func blocks() -> Range<Int> {
        let size = Int(VolumeBlock.bytes)
        let first = below(bytes.count / size)
        return first * size..<min(bytes.count, (first + 1 + below(5)) * size)
    }

    func step() throws -> Operation {
        let operation = Operation.allCases[below(Operation.allCases.count)]
        let volume = try fixture.volumes.open(self.volume)
        switch operation {
        case .write: try write(range(20_000), to: volume)
        case .writeMore: for _ in 0..<8 { try write(range(5_000), to: volume) }
        case .writeBlocks: try write(blocks(), to: volume)
        case .punch, .zero: try clear(below(2) == 0 ? range(200_000) : blocks(), operation, of: volume)
        case .read: try compare(range(3 << 20), of: volume)
        case .seek: try checkHoles(of: volume)
        case .synchronize: try volume.synchronize()
        case .cut, .cutAgain: try cut()
        case .copySome: try copy(afterPuts: 1 + below(4))
        case .copyAll: try copy(afterPuts: nil)
        case .kill: try restart(isSameBoot: true)
        case .loseBoot: try restart(isSameBoot: false)
        case .hydrate: try hydrate(volume)
        case .grow: try grow(volume)
        case .restore: try restore()
        case .fail: try fail()
        case .settle: try settle()
        }
        return operation
    }

    private func write(_ range: Range<Int>, to volume: VolumeBlocks) throws {
        let salt = UInt8(truncatingIfNeeded: random.next() | 1)
        let pattern = [UInt8](repeating: salt, count: range.count)
        try volume.write(pattern, at: Int64(range.lowerBound))
        bytes.replaceSubrange(range, with: pattern)
    }

    private func clear(_ range: Range<Int>, _ operation: Operation, of volume: VolumeBlocks) throws {
        let (offset, length) = (Int64(range.lowerBound), Int64(range.count))
        _ =
            operation == .punch
            ? try volume.punchHole(at: offset, length: length) : try volume.zero(at: offset, length: length)
        bytes.replaceSubrange(range, with: repeatElement(0, count: range.count))
    }

    private func compare(_ range: Range<Int>, of volume: VolumeBlocks) throws {
        let got = try volume.bytes(at: Int64(range.lowerBound), count: range.count)
        if got != Array(bytes[range]) { difference = "bytes of \(range)" }
    }

    /// What is called a hole must be zeros.
    private func checkHoles(of volume: VolumeBlocks) throws {
        var offset: Int64 = 0
        while offset < volume.sizeBytes {
            let data = try nextData(from: offset, of: volume)
            let hole = bytes[Int(offset)..<Int(data)]
            if hole != [UInt8](repeating: 0, count: hole.count)[...] { difference = "no hole at \(offset)..<\(data)" }
            if data == volume.sizeBytes { return }
            offset = try volume.next(.hole, from: data)
            if offset <= data { difference = "the data at \(data) ends at \(offset)" }
        }
    }

    private func nextData(from offset: Int64, of volume: VolumeBlocks) throws(Errno) -> Int64 {
        do throws(Errno) {
            return try volume.next(.data, from: offset)
        } catch .noSuchAddressOrDevice {
            return volume.sizeBytes
        }
    }

    /// The base is known when it is a snapshot, or will be one.
    private func cut() throws {
        guard pending.count < 4 else { return }
        number += 1
        let tracked = try fixture.volumes.trackedBase(of: volume)
        let isKnown =
            tracked.map { base in snapshots[base] != nil || pending.contains { $0.cut.name == base } } ?? false
        let request = TrackedVolumes.CutRequest(
            volume: volume, cut: "snap-\(number)", base: isKnown ? tracked : nil, becomesBase: below(4) > 0)
        let cut = try fixture.volumes.cut([request])[0]
        pending.append(Pending(cut: cut, base: cut.base, bytes: bytes))
    }

    /// Copies the oldest cut, with writes of the volume in the midst of it; perhaps only a part.
    private func copy(afterPuts limit: Int?) throws {
        guard let oldest = pending.first else { return }
        putsLeft = limit ?? .max
        if try isCopied(oldest.cut) { try complete(oldest) }
    }

    private func isCopied(_ cut: Cut) throws(CutFailure) -> Bool {
        let sink = ModelSink(model: self)
        do throws(CutFailure) {
            try cut.copy(into: sink)
            return true
        } catch {
            if error == .cancelled { return false }
            throw error
        }
    }

    func playDuringCopy() throws {
        if putsLeft == 0 { throw CutFailure.cancelled }
        putsLeft -= 1
        let volume = try fixture.volumes.open(volume)
        if below(2) == 0 { try write(blocks(), to: volume) }
        if below(4) == 0 { try clear(blocks(), .punch, of: volume) }
    }

    private func complete(_ oldest: Pending) throws {
        let base = oldest.base.flatMap { snapshots[$0] }
        if oldest.base != nil, base == nil { difference = "the base \(oldest.base!) is not known" }
        let snapshot = try sink.contents(of: oldest.cut, on: base)
        if snapshot.bytes != oldest.bytes {
            let place = zip(snapshot.bytes, oldest.bytes).enumerated().first { $1.0 != $1.1 }?.offset ?? -1
            difference = "cut \(oldest.cut.name) on \(oldest.base ?? "nothing") at \(place), block \(place >> 19)"
        }
        if oldest.cut.progress.percent != 100 { difference = "\(oldest.cut.progress)" }
        snapshots[snapshot.name] = snapshot
        try fixture.volumes.finish(oldest.cut)
        pending.removeFirst()
    }

    private func restart(isSameBoot: Bool) throws {
        open = nil
        for one in pending { one.cut.keep(nil) }
        if !isSameBoot {
            // All bytes are durable here; power that is lost in between has a test of its own.
            try fixture.volumes.open(volume).synchronize()
            try fixture.startNextBoot()
            if try !fixture.pendingCuts().isEmpty { difference = "a cut outlived its boot" }
            pending = []
        } else {
            try fixture.startNextProcess()
            let cuts = try fixture.pendingCuts()
            if Set(cuts.map(\.name)) != Set(pending.map(\.cut.name)) { difference = "pending: \(cuts.map(\.name))" }
            for place in pending.indices {
                if let cut = cuts.first(where: { $0.name == pending[place].cut.name }) { pending[place].cut = cut }
            }
        }
        open = try fixture.volumes.open(volume)
    }

    private func hydrate(_ volume: VolumeBlocks) throws {
        try volume.hydrate(clock: VirtualClock())
        if try !volume.endRestore() { difference = "something is missing after all was restored" }
    }

    private func grow(_ volume: VolumeBlocks) throws {
        guard bytes.count < 12 << 20 else { return }
        bytes += [UInt8](repeating: 0, count: (1 + below(300)) * 4096)
        try fixture.store.grow(volume.name, to: Int64(bytes.count))
        try volume.grow(to: Int64(bytes.count))
    }

    /// Goes on with a volume made from one of the snapshots; the former one is removed, its cuts stand.
    private func restore() throws {
        guard let name = snapshots.keys.sorted().randomElement(below), let snapshot = snapshots[name] else { return }
        while let oldest = pending.first {
            try oldest.cut.copy(into: sink, workers: 1 + below(3))
            try complete(oldest)
        }
        open = nil
        try fixture.store.remove(volume)
        number += 1
        volume = "vol-\(number)"
        bytes = snapshot.bytes + [UInt8](repeating: 0, count: below(3) * 4096)
        try fixture.create(volume, sizeBytes: Int64(bytes.count), from: snapshot)
        open = try fixture.volumes.open(volume)
    }

    /// A cut that fails takes those with it that count from it, and nothing else.
    private func fail() throws {
        guard let oldest = pending.first else { return }
        oldest.cut.fail(.noSpace)
        try fixture.volumes.finish(oldest.cut)
        pending.removeFirst()
        var lost: Set<String> = [oldest.cut.name]
        while let next = pending.first(where: { $0.base.map(lost.contains) ?? false }) {
            if next.cut.failure != .baseFailed { difference = "\(next.cut.name) outlived its base" }
            try fixture.volumes.finish(next.cut)
            pending.removeAll { $0.cut.name == next.cut.name }
            lost.insert(next.cut.name)
        }
    }

    /// A clean stop: what is tracked holds in the next boot.
    private func settle() throws {
        for one in pending { try one.cut.copy(into: sink, workers: 1 + below(3)) }
        while let oldest = pending.first { try complete(oldest) }
        let tracked = try fixture.volumes.trackedBase(of: volume)
        try fixture.volumes.settle()
        open = nil
        try fixture.startNextBoot()
        open = try fixture.volumes.open(volume)
        if try fixture.volumes.trackedBase(of: volume) != tracked {
            difference = "tracking did not outlive a clean stop"
        }
    }

    func finishEverything() throws {
        while let oldest = pending.first {
            try oldest.cut.copy(into: sink, workers: 1 + below(3))
            try complete(oldest)
        }
        let volume = try fixture.volumes.open(self.volume)
        try compare(0..<bytes.count, of: volume)
        try checkHoles(of: volume)
    }
}

extension Array {
    fileprivate func randomElement(_ below: (Int) -> Int) -> Element? {
        isEmpty ? nil : self[below(count)]
    }
}

/// Lets the model do between two blocks what another thread might do meanwhile. The model waits meanwhile.
struct ModelSink: BlockSink {
    let epoch: UInt64 = 0
    nonisolated(unsafe) let model: TrackingModel

    func put(_ block: RawSpan) throws -> Digest? {
        try unsafe model.playDuringCopy()
        return try unsafe model.sink.put(block)
    }
}
