import Platform
import SystemPackage

/// Where a snapshot that is written block by block lies until it is complete.
///
/// ```
/// uploads/<upload>/record     the boot it holds in, the volume's size (UploadRecord)
///                  put        a bit for each block that was put
///                  names      their names in the store (BlockNames)
///                  replaced   32 bytes for each block that was put and then put again: what it was called before
///                  state      words: whether it is sealed; in which epoch of the store its blocks were put; when the
///                             last one was
/// ```
///
/// Nothing of it is durable: after a loss of power (another boot) it is given up.
struct UploadDirectory: Hashable, Sendable {
    let path: FilePath

    init(_ root: FilePath, upload: String) { path = root.appending(upload) }

    var record: FilePath { path.appending("record") }
    var put: FilePath { path.appending("put") }
    var names: FilePath { path.appending("names") }
    var replaced: FilePath { path.appending("replaced") }
    var state: FilePath { path.appending("state") }

    /// Makes it, with nothing put. The record comes last: without one it is not there.
    func make(_ contents: UploadRecord, epoch: UInt64, time: Int64) throws(Errno) {
        try createDirectories(path)
        let blocks = VolumeBlock.count(sizeBytes: contents.sizeBytes)
        try MappedBits(put, capacity: Self.bits(blocks)).reserve(blocks)
        try writeFile(names, [])
        try writeFile(replaced, [])
        let state = try UploadState(self.state)
        try state.begin(epoch: epoch, time: time)
        try writeFile(record, Array(contents.text.utf8))
    }

    /// A map's bits come in words.
    static func bits(_ blocks: Int) -> Int { (blocks + 63) / 64 * 64 }

    func readRecord() throws(Errno) -> UploadRecord? {
        try TrackingDirectory.text(of: record).flatMap { UploadRecord(text: $0) }
    }

    /// No error when it is not there.
    func remove() throws(Errno) { try TrackingDirectory.removeAll(in: path) }
}

/// What is known of an upload from its beginning; pure.
struct UploadRecord: Hashable, Sendable {
    var boot: String
    var sizeBytes: Int64

    var text: String { "ebb-snapshot-upload 1\nboot \(boot)\nsize \(sizeBytes)\nend\n" }
}

extension UploadRecord {
    /// Nil for what is not such a record, or not all of it.
    init?(text: String) {
        let lines = text.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1).map(String.init) }
        guard lines.count == 4, lines[0] == ["ebb-snapshot-upload", "1"], lines[3] == ["end"],
            lines[1].count == 2, lines[1][0] == "boot", lines[2].count == 2, lines[2][0] == "size",
            let size = Int64(lines[2][1]), (1...Manifest.maximumSizeBytes).contains(size)
        else { return nil }
        self.init(boot: lines[1][1], sizeBytes: size)
    }
}

/// What changes of an upload besides its blocks: three words that the kernel keeps when the process ends.
struct UploadState: Sendable {
    private let words: MappedBits

    init(_ path: FilePath) throws(Errno) { words = try MappedBits(path, capacity: 192) }

    func begin(epoch: UInt64, time: Int64) throws(Errno) {
        try words.reserve(192)
        words.setWord(0, to: 0)
        words.setWord(1, to: epoch)
        words.setWord(2, to: UInt64(bitPattern: time))
    }

    var isSealed: Bool { words.word(0) == 1 }
    var epoch: UInt64 { words.word(1) }
    /// As the caller counts time.
    var lastPut: Int64 { Int64(bitPattern: words.word(2)) }

    func seal() { words.setWord(0, to: 1) }

    /// No store is in this epoch.
    func distrust() { words.setWord(1, to: 0) }

    func notePut(at time: Int64) { words.setWord(2, to: UInt64(bitPattern: time)) }
}
