import BlockStore
import Driver
import Emulator
import Platform
import Synchronization
import SystemPackage
import Testing

/// Cuts of a mounted volume while fio writes and verifies it.
@Suite struct SnapshotUnderLoadTests {
    @Test func fioFindsItsBytesWhileCutsAreTaken() async throws {
        try await MountedFilesystem.run { filesystem in
            try filesystem.addVolume(1, sizeBytes: 64 << 20)
            let path = try filesystem.attach(1, volume: 1)
            let cutter = Cutter(filesystem.exports.volumes, MountedFilesystem.id(1).rawValue)
            cutter.start()
            let fio = try run(
                "fio",
                [
                    "--name=verify", "--filename=\(path)", "--size=64m", "--rw=randwrite", "--bsrange=512-256k",
                    "--ioengine=psync", "--verify=crc32c", "--verify_state_save=0", "--verify_fatal=1", "--loops=3",
                    "--randseed=7",
                ])
            try cutter.stop()
            #expect(fio.code == 0, "\(fio.output)")
            #expect(cutter.cutCount >= 3)
            let file = try FileDescriptor.openFile(path, .readOnly)
            defer { file.closeIgnoringErrors() }
            #expect(try file.bytes(at: 0, count: 64 << 20) == cutter.contents)
        }
    }
}

/// Takes one cut after the other, and keeps what the last one held.
private final class Cutter: Sendable {
    private let volumes: TrackedVolumes
    private let volume: String
    private let sink = KeepingSink()
    private let isStopping = Atomic(false)
    private let state = Mutex<(cuts: Int, contents: [UInt8], error: (any Error)?)>((0, [], nil))
    private let thread = Mutex<KernelThread?>(nil)

    init(_ volumes: TrackedVolumes, _ volume: String) {
        self.volumes = volumes
        self.volume = volume
    }

    var cutCount: Int { state.withLock { $0.cuts } }
    var contents: [UInt8] { state.withLock { $0.contents } }

    func start() {
        let thread = KernelThread(name: "cutter") { [self] in
            do {
                while !isStopping.load(ordering: .acquiring) { try cut() }
                // All writes are done: this one has all of them.
                try cut()
            } catch {
                state.withLock { $0.error = error }
            }
        }
        thread.start()
        self.thread.withLock { $0 = thread }
    }

    func stop() throws {
        isStopping.store(true, ordering: .releasing)
        thread.withLock { $0 }?.join()
        if let error = state.withLock({ $0.error }) { throw error }
    }

    private func cut() throws {
        let number = cutCount
        let request = TrackedVolumes.CutRequest(volume: volume, cut: "snap-\(number)", base: "snap-\(number - 1)")
        let cut = try volumes.cut([request])[0]
        try cut.copy(into: sink, workers: 2)
        var contents = cut.base == nil ? [UInt8](repeating: 0, count: Int(cut.volumeSizeBytes)) : contents
        try cut.forEachChange { block, name in
            let start = block << 19
            let bytes = name.map { sink.bytes(of: $0) } ?? [UInt8](repeating: 0, count: 512 << 10)
            contents.replaceSubrange(start..<start + bytes.count, with: bytes)
        }
        try volumes.finish(cut)
        state.withLock { [contents] in ($0.cuts, $0.contents) = (number + 1, contents) }
    }
}

/// Every block under a name of its own.
private final class KeepingSink: BlockSink {
    let epoch: UInt64 = 0
    private let blocks = Mutex<[Digest: [UInt8]]>([:])

    func put(_ block: RawSpan) throws -> Digest? {
        let bytes = unsafe block.withUnsafeBytes { unsafe Array($0) }
        return blocks.withLock { blocks in
            let number = blocks.count + 1
            let name = Digest((0..<32).map { $0 < 8 ? UInt8(truncatingIfNeeded: number >> ($0 * 8)) : 0 })
            blocks[name] = bytes
            return name
        }
    }

    func bytes(of name: Digest) -> [UInt8] { blocks.withLock { $0[name] ?? [] } }
}
