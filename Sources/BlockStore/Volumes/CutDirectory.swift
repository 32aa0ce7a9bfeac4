import Platform
import SystemPackage

/// Where a cut lies until it is finished. It stands by itself: a volume may be removed meanwhile.
///
/// ```
/// .cuts/<cut>/<volume>/record   the boot it holds in, the volume's size, what it counts from (CutRecord)
///                      part.<n> the volume's files: clones, or the same files under one more name
///                      needed   a bit for each block that may differ from the base
///                      saved    a bit for each block of which something is, or is about to be, in `old.<n>`
///                      chunks   a bit for each 64 KiB that are there
///                      done     a bit for each block whose name is in `names`, or that was zeros
///                      state    a word: whether it failed, and why (CutFailure); one more: in which epoch of the
///                               store its blocks were put
///                      old.<n>  saved chunks, at their places
///                      names    32 bytes a block, zeros for none
///                      record.last  space for the record of the volume that does without the cut: on a full disk
///                               a cut that failed can be given back
///                      detached there when the volume was removed
/// ```
struct CutDirectory: Hashable, Sendable {
    let path: FilePath
    let store: FilePath
    let cut: String
    let volume: String

    init(store: FilePath, cut: String, volume: String) {
        self.store = store
        self.cut = cut
        self.volume = volume
        path = Self.root(store).appending(cut).appending(volume)
    }

    static func root(_ store: FilePath) -> FilePath { store.appending(".cuts") }

    var record: FilePath { path.appending("record") }
    var needed: FilePath { path.appending("needed") }
    var saved: FilePath { path.appending("saved") }
    var chunks: FilePath { path.appending("chunks") }
    var done: FilePath { path.appending("done") }
    var state: FilePath { path.appending("state") }
    var names: FilePath { path.appending("names") }
    var detached: FilePath { path.appending("detached") }
    var lastRecord: FilePath { path.appending("record.last") }
    /// Longer than any record (`TrackingRecord`).
    static let recordBytes = 4096
    func old(_ number: Int) -> FilePath { path.appending("old.\(number)") }
    func part(_ number: Int) -> FilePath { path.appending("part.\(number)") }

    func readRecord() throws(Errno) -> CutRecord? {
        try TrackingDirectory.text(of: record).flatMap { CutRecord(text: $0) }
    }

    func isDetached() throws(Errno) -> Bool { try TrackingDirectory.text(of: detached) != nil }

    /// Removes the cut; no error when it is not there.
    func remove() throws(Errno) {
        try TrackingDirectory.removeAll(in: path)
        do throws(Errno) {
            try Directory.remove(path.removingLastComponent())
        } catch .directoryNotEmpty {
            // Another volume's cut of the same name.
            return
        } catch .noSuchFileOrDirectory {
            return
        }
    }

    /// All that there are.
    static func all(in store: FilePath) throws(Errno) -> [CutDirectory] {
        var all: [CutDirectory] = []
        for cut in try TrackingDirectory.names(in: root(store)).sorted() {
            for volume in try TrackingDirectory.names(in: root(store).appending(cut)).sorted() {
                all.append(CutDirectory(store: store, cut: cut, volume: volume))
            }
        }
        return all
    }
}

/// What is known of a cut from its beginning; pure.
struct CutRecord: Hashable, Sendable {
    /// A cut is given up when the kernel is another: what was not durable is lost.
    var boot: String
    var sizeBytes: Int64
    var base: String?
    /// Whether the parts are its own, so that nothing has to be saved.
    var isClone: Bool

    var text: String {
        """
        ebb-volume-cut 2
        boot \(boot)
        size \(sizeBytes)
        base \(base ?? "-")
        clone \(isClone ? 1 : 0)
        end

        """
    }
}

extension CutRecord {
    /// Nil for what is not such a record, or not all of it.
    init?(text: String) {
        let lines = text.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1).map(String.init) }
        guard lines.count == 6, lines[0] == ["ebb-volume-cut", "2"], lines[5] == ["end"] else { return nil }
        let fields = lines[1..<5]
        guard fields.allSatisfy({ $0.count == 2 }), fields.map({ $0[0] }) == ["boot", "size", "base", "clone"],
            let size = Int64(lines[2][1])
        else { return nil }
        self.init(
            boot: lines[1][1], sizeBytes: size, base: lines[3][1] == "-" ? nil : lines[3][1],
            isClone: lines[4][1] == "1")
    }
}
