import Glibc
import Platform
import SystemPackage

/// The store's objects as files.
///
/// ```
/// <directory>/objects/ab/cdef…  one file an object, by the hexadecimal digits of its name
/// <directory>/incoming/<n>      an object that is being written
/// <directory>/epoch             a number that rises when what was written may be lost (`epoch`)
/// ```
///
/// A file gets its name when it is whole: after `kill -9` what has a name is right. After a loss of power it need not
/// be, unless `synchronize` had returned: so what no snapshot refers to is removed before anything is written.
final class ObjectFiles: Sendable {
    private let directory: FilePath
    private let objects: FilePath
    private let incoming: IncomingFiles
    /// Open from the beginning: the kernel tells a descriptor of the errors since it was opened, and of each once.
    private let opened: FileDescriptor
    private let synchronizing = Monitor(Synchronizing())
    private let epochWord: MappedBits
    /// Another number than the last process had, of the same boot, when what that one wrote may be lost: `synchronize`
    /// had failed, or had not ended when it was killed. Never 0.
    let epoch: UInt64

    private struct Synchronizing: Sendable {
        var isUnderWay = false
        /// Stays: what was written before may be lost, also what others find to be there.
        var failure: Errno?
    }

    init(directory: FilePath) throws(Errno) {
        self.directory = directory
        objects = directory.appending("objects")
        incoming = try IncomingFiles(directory: directory.appending("incoming"))
        try createDirectories(objects)
        epochWord = try MappedBits(directory.appending("epoch"), capacity: 64)
        try epochWord.reserve(64)
        epoch = max(1, epochWord.word(0))
        opened = try .openFile(objects, .readOnly, options: [.directory])
    }

    deinit { opened.closeIgnoringErrors() }

    func path(of name: Digest) -> FilePath { directory.pushing(FilePath(ObjectKey.object(name))) }

    /// Writes an object unless it is there. One that is damaged is written anew, and is right for all that need it.
    ///
    /// - Returns: whether it had to be written.
    @discardableResult
    func put(_ bytes: RawSpan, as name: Digest) throws(Errno) -> Bool {
        let path = path(of: name)
        if try holds(bytes, path) { return false }
        try incoming.write(bytes, to: path) { (file) throws(Errno) in
            // `synchronize` will want it on the disk, which would stand idle meanwhile.
            try file.beginWritingBack()
        }
        return true
    }

    private func holds(_ bytes: RawSpan, _ path: FilePath) throws(Errno) -> Bool {
        do throws(Errno) {
            let file = try FileDescriptor.openFile(path, .readOnly)
            defer { file.closeIgnoringErrors() }
            guard try file.fileStatus().sizeBytes == Int64(bytes.byteCount) else { return false }
            return try file.begins(with: bytes)
        } catch {
            guard error == .noSuchFileOrDirectory || error.isDamage else { throw error }
            return false
        }
    }

    /// Nil when the object is not there.
    func sizeBytes(of name: Digest) throws(Errno) -> Int64? {
        do throws(Errno) {
            return try FileStatus(of: path(of: name)).sizeBytes
        } catch .noSuchFileOrDirectory {
            return nil
        }
    }

    func open(_ name: Digest) throws(Errno) -> FileDescriptor { try .openFile(path(of: name), .readOnly) }

    func remove(_ name: Digest) throws(Errno) { try removeFile(at: path(of: name)) }

    /// Removes what a process that was killed left half written.
    func removeIncoming() throws(Errno) { try incoming.removeLeftovers() }

    /// Each object that is there, in the order of the names.
    func forEachName(_ body: (Digest) throws -> Void) throws {
        for shard in try Directory.names(in: objects).sorted() {
            for rest in try Directory.names(in: objects.appending(shard)).sorted() {
                // What has no object's name is not ours to judge.
                if let name = Digest(hex: shard + rest) { try body(name) }
            }
        }
    }

    /// Returns when every object is durable: the filesystem is asked once, not each file.
    ///
    /// Once that has failed it fails for good, until the next process has swept away what no snapshot refers to: the
    /// kernel takes pages that it could not write for written, and who asks again is told of no error.
    func synchronize() throws(Errno) {
        try synchronize { () throws(Errno) in try opened.synchronizeFilesystem() }
    }

    /// One at a time: who comes while another one is told of an error must be told of it too.
    func synchronize(_ body: () throws(Errno) -> Void) throws(Errno) {
        synchronizing.wait { $0.isUnderWay ? nil : ($0.isUnderWay = true) }
        defer { synchronizing.withLock { $0.isUnderWay = false } }
        if let failure = synchronizing.withLock({ $0.failure }) { throw failure }
        // Before, not after it has failed: who is killed meanwhile tells the next one by that.
        epochWord.setWord(0, to: epoch + 1)
        do throws(Errno) {
            try body()
            epochWord.setWord(0, to: epoch)
        } catch {
            synchronizing.withLock { $0.failure = error }
            throw error
        }
    }
}

extension FileDescriptor {
    fileprivate func begins(with bytes: RawSpan) throws(Errno) -> Bool {
        var piece = [UInt8](repeating: 0, count: min(bytes.byteCount, 64 << 10))
        for start in stride(from: 0, to: bytes.byteCount, by: 64 << 10) {
            let expected = bytes.extracting(start..<min(start + piece.count, bytes.byteCount))
            var elements = piece.mutableSpan
            var span = unsafe elements.mutableBytes
            let count = try readAll(into: &span, range: 0..<expected.byteCount, at: Int64(start))
            guard count == expected.byteCount else { return false }
            let isSame = unsafe expected.withUnsafeBytes { expected in
                unsafe piece.withUnsafeBytes { unsafe memcmp($0.baseAddress!, expected.baseAddress!, count) == 0 }
            }
            if !isSame { return false }
        }
        return true
    }
}
