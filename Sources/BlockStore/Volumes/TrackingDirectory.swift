import Platform
import SystemPackage

/// Where a volume's tracking lies, beside the volumes themselves:
///
/// ```
/// .maps/<volume>/record               which of the files hold (TrackingRecord)
///                changes.<generation> a bit for each block that changed since the base
///                source               what the volume is made from; there while blocks are missing
///                missing              a bit for each block that is not restored yet
///                missing.durable      the same, as it was at the last flush
/// .cuts/<cut>/<volume>/               a cut in progress (CutDirectory)
/// ```
///
/// A map is a row of 64-bit words in the machine's byte order, bit `n` of word `m` for block `64 m + n`.
struct TrackingDirectory: Hashable, Sendable {
    let path: FilePath
    let volume: String

    init(store: FilePath, volume: String) {
        self.volume = volume
        path = Self.root(store).appending(volume)
    }

    static func root(_ store: FilePath) -> FilePath { store.appending(".maps") }

    var record: FilePath { path.appending("record") }
    var source: FilePath { path.appending("source") }
    var missing: FilePath { path.appending("missing") }
    var durablyMissing: FilePath { path.appending("missing.durable") }
    func changes(_ generation: Int) -> FilePath { path.appending("changes.\(generation)") }

    /// What the record says; one that is not there, or cannot be read, says nothing.
    func readRecord() throws(Errno) -> TrackingRecord {
        guard let text = try Self.text(of: record) else { return TrackingRecord() }
        return TrackingRecord(text: text) ?? TrackingRecord()
    }

    /// Puts another record in its place, durably.
    func writeRecord(_ new: TrackingRecord) throws(Errno) {
        try replaceFile(record, with: Array(new.text.utf8))
    }

    /// A record that is not in its place yet, which `renameFile` puts it in at once.
    var nextRecord: FilePath { path.appending("record.next") }

    /// The name of what blocks are missing from; `nil` when none are.
    func readSource() throws(Errno) -> String? { try Self.text(of: source) }

    /// Removes everything; no error when there is nothing.
    func remove() throws(Errno) { try Self.removeAll(in: path) }

    static func text(of path: FilePath) throws(Errno) -> String? {
        do throws(Errno) {
            return String(decoding: try readFile(path), as: UTF8.self)
        } catch .noSuchFileOrDirectory {
            return nil
        }
    }

    /// The names in a directory; none when it is not there.
    static func names(in path: FilePath) throws(Errno) -> [String] {
        do throws(Errno) {
            return try Directory.names(in: path)
        } catch .noSuchFileOrDirectory {
            return []
        }
    }

    /// Removes a directory of files; no error when there is none.
    static func removeAll(in path: FilePath) throws(Errno) {
        for name in try names(in: path) { _ = try Directory.unlink(path.appending(name)) }
        do throws(Errno) {
            try Directory.remove(path)
        } catch .noSuchFileOrDirectory {
            return
        }
    }
}

/// Makes, or replaces, a small file. It is there for other processes when this returns, and durable some time, or now:
/// then all but its name.
func writeFile(_ path: FilePath, _ contents: [UInt8], isDurable: Bool = false) throws(Errno) {
    let file = try FileDescriptor.openFile(
        path, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
    defer { file.closeIgnoringErrors() }
    try unsafe file.writeAll(contents.span.bytes, at: 0)
    if isDurable { try file.synchronize() }
}

/// Gives a file other contents in the space that it has, if that is as much.
func overwriteFile(_ path: FilePath, _ contents: [UInt8]) throws(Errno) {
    let file = try FileDescriptor.openFile(path, .writeOnly)
    defer { file.closeIgnoringErrors() }
    try unsafe file.writeAll(contents.span.bytes, at: 0)
    try file.setLength(Int64(contents.count))
}
