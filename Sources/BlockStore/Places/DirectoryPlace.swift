#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
public import Platform
import Synchronization
public import SystemPackage

/// A directory as an `ObjectPlace`: a disk that is carried elsewhere, or one that several machines have mounted.
///
/// ```
/// <directory>/<key>          a file that is whole
/// <directory>/incoming/<n>   a file that is being written
/// ```
///
/// A file is flushed before it gets its name, and its name before anybody relies on it: whoever wrote a name may have
/// been killed before he flushed it, so who finds it does so as well. The directories for objects are made, and
/// flushed, before the first of them.
public final class DirectoryPlace: ObjectPlace {
    private let directory: FilePath
    private let clock: any Clock
    private let threads = BlockingThreads(limit: 8)
    private let incoming = Mutex<IncomingFiles?>(nil)
    private let beforeStep: @Sendable (Step) throws(Errno) -> Void

    /// Where a process may die, for tests that let it.
    enum Step: Sendable {
        case makeDirectories, flushDirectories, write, flush, name, flushName
    }

    /// Files of other pushers that were not written to for so long are nobody's any more.
    static let leftoverAge = Duration.seconds(24 * 60 * 60)

    /// - Parameter directory: must exist when something is put there.
    public convenience init(_ directory: FilePath, clock: any Clock) {
        self.init(directory, clock: clock) { _ in }
    }

    init(_ directory: FilePath, clock: any Clock, beforeStep: @escaping @Sendable (Step) throws(Errno) -> Void) {
        self.directory = directory
        self.clock = clock
        self.beforeStep = beforeStep
    }

    public var location: String { directory.string }

    public func prepare() async throws {
        try await blocking("be written to") { [self] () throws(Errno) in
            // A share that is not mounted must not be made on the disk below.
            _ = try FileStatus(of: directory)
            // Who may enter the directory may read what is there.
            let files = try IncomingFiles(
                directory: directory.appending("incoming"), permissions: [.ownerReadWrite, .groupRead, .otherRead])
            try files.removeLeftovers(before: leftoverTime)
            try makeDirectories()
            incoming.withLock { $0 = files }
        }
    }

    private var leftoverTime: FileTime {
        let age = TimeInterval(Self.leftoverAge.components.seconds)
        return FileTime(seconds: Int(clock.now().timeIntervalSince1970 - age))
    }

    private func makeDirectories() throws(Errno) {
        try beforeStep(.makeDirectories)
        for folder in ObjectKey.folders { try createDirectories(directory.appending(folder)) }
        try beforeStep(.flushDirectories)
        try Directory.synchronize(directory.appending("objects"))
        try Directory.synchronize(directory)
    }

    public func sizeBytes(_ key: String) async throws -> Int64? {
        try await blocking("be read", key) { [self] () throws(Errno) in
            let path = directory.appending(key)
            do throws(Errno) {
                let status = try FileStatus(of: path)
                try Directory.synchronize(path.removingLastComponent())
                return status.sizeBytes
            } catch .noSuchFileOrDirectory {
                return nil
            }
        }
    }

    public func get(_ key: String, limit: Int) async throws -> [UInt8]? {
        try await blocking("be read", key) { [self] () throws(Errno) in
            do throws(Errno) {
                return try readFile(directory.appending(key), limit: limit)
            } catch .noSuchFileOrDirectory {
                _ = try FileStatus(of: directory)
                return nil
            }
        }
    }

    public func put(_ bytes: [UInt8], _ key: String) async throws {
        guard let incoming = incoming.withLock({ $0 }) else { preconditionFailure("put comes after prepare") }
        try await blocking("be written", key) { [self] () throws(Errno) in
            let path = directory.appending(key)
            try beforeStep(.write)
            try unsafe incoming.write(bytes.span.bytes, to: path) { (file) throws(Errno) in
                try beforeStep(.flush)
                try file.synchronize()
                try beforeStep(.name)
            }
            try beforeStep(.flushName)
            try Directory.synchronize(path.removingLastComponent())
        }
    }

    public func keys(_ prefix: String) async throws -> [String] {
        try await blocking("be read", prefix) { [self] () throws(Errno) in
            do throws(Errno) {
                return try Directory.names(in: directory.appending(prefix)).sorted().map { prefix + $0 }
            } catch .noSuchFileOrDirectory {
                _ = try FileStatus(of: directory)
                return []
            }
        }
    }

    /// Runs on a thread that may block, and says what could not be done to which file.
    private func blocking<Value: Sendable>(
        _ deed: String, _ key: String = "", _ body: @escaping @Sendable () throws(Errno) -> Value
    ) async throws -> Value {
        try Task.checkCancellation()
        return try await threads.run { [self] in
            do throws(Errno) {
                return try body()
            } catch {
                throw PlaceError(error, of: directory.appending(key), cannot: deed)
            }
        }
    }
}

extension PlaceError {
    fileprivate init(_ error: Errno, of path: FilePath, cannot deed: String) {
        switch error {
        case .noSuchFileOrDirectory, .notDirectory:
            self.init(.noSuchPlace, "\(path) cannot \(deed): \(error); make the directory, or mount it, first")
        case .permissionDenied, .notPermitted, .readOnlyFileSystem:
            self.init(.accessDenied, "\(path) cannot \(deed): \(error)")
        case .noSpace, .diskQuotaExceeded:
            self.init(.full, "\(path) cannot \(deed): \(error); make room, then push again")
        case .fileTooLarge:
            self.init(.tooLarge, "\(path) is larger than what it should be")
        default:
            self.init(.failed, "\(path) cannot \(deed): \(error)")
        }
    }
}
