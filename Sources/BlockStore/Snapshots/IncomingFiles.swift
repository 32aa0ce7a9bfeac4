import Platform
import Synchronization
import SystemPackage

/// Files that are written beside, and get their names when they are whole: after `kill -9` what has a name is right.
final class IncomingFiles: Sendable {
    private let directory: FilePath
    private let permissions: FilePermissions
    private let nextNumber = Atomic<UInt64>(0)

    /// - Parameters:
    ///   - directory: where files are written, on the filesystem on which they get their names.
    ///   - permissions: those of each file, less the process's mask.
    init(directory: FilePath, permissions: FilePermissions = [.ownerReadWrite]) throws(Errno) {
        self.directory = directory
        self.permissions = permissions
        try createDirectories(directory)
    }

    /// Writes a file, and gives it its name. A file of this name is replaced.
    ///
    /// - Parameter beforeNaming: called when the bytes are in the file, with its descriptor.
    func write(
        _ bytes: RawSpan, to path: FilePath, beforeNaming: (FileDescriptor) throws(Errno) -> Void = { _ in }
    ) throws(Errno) {
        let (file, fresh) = try make()
        do throws(Errno) {
            defer { file.closeIgnoringErrors() }
            try file.writeAll(bytes, at: 0)
            try beforeNaming(file)
            try rename(fresh, to: path)
        } catch {
            try removeFile(at: fresh)
            throw error
        }
    }

    private func make() throws(Errno) -> (FileDescriptor, FilePath) {
        while true {
            let number = nextNumber.add(1, ordering: .relaxed).newValue
            let path = directory.appending("\(number)")
            do throws(Errno) {
                let file = try FileDescriptor.openFile(
                    path, .writeOnly, options: [.create, .exclusiveCreate], permissions: permissions)
                return (file, path)
            } catch .fileExists {
                // Another process's, or what one left that was killed.
                continue
            }
        }
    }

    private func rename(_ fresh: FilePath, to path: FilePath) throws(Errno) {
        do throws(Errno) {
            try renameFile(fresh, to: path)
        } catch .noSuchFileOrDirectory {
            try createDirectories(path.removingLastComponent())
            try renameFile(fresh, to: path)
        }
    }

    /// Removes what processes that were killed left half written.
    ///
    /// - Parameter time: only what was not written to since then; `nil` for all.
    func removeLeftovers(before time: FileTime? = nil) throws(Errno) {
        for name in try Directory.names(in: directory) {
            let path = directory.appending(name)
            if let time, try !isOlder(path, than: time) { continue }
            try removeFile(at: path)
        }
    }

    private func isOlder(_ path: FilePath, than time: FileTime) throws(Errno) -> Bool {
        do throws(Errno) {
            return try FileStatus(of: path).modified < time
        } catch .noSuchFileOrDirectory {
            return false
        }
    }
}
