// Regular files: reading, writing, space and durability. EINTR is handled here and nowhere above.

import CPlatform
import Glibc
public import SystemPackage

extension FileDescriptor {
    /// Opens a file; the descriptor is closed on exec unless `isInherited`.
    ///
    /// The corresponding C function is `open`.
    public static func openFile(
        _ path: FilePath, _ mode: AccessMode, options: OpenOptions = [], permissions: FilePermissions = [],
        isInherited: Bool = false
    ) throws(Errno) -> FileDescriptor {
        let flags = mode.rawValue | options.rawValue | (isInherited ? 0 : O_CLOEXEC)
        let number = try systemCall {
            unsafe path.withPlatformString { name in unsafe Glibc.open(name, flags, permissions.rawValue) }
        }
        return FileDescriptor(rawValue: number)
    }

    /// Fills the buffer's range with what lies at an offset; fewer bytes only at the file's end.
    ///
    /// The corresponding C function is `pread`.
    @inlinable
    public func readAll(
        into buffer: inout MutableRawSpan, range: Range<Int>, at offset: Int64
    ) throws(Errno) -> Int {
        try unsafe buffer.withUnsafeMutableBytes { (bytes) throws(Errno) in
            try unsafe readAll(intoMemory: UnsafeMutableRawBufferPointer(rebasing: bytes[range]), at: offset)
        }
    }

    /// Writes all bytes at an offset.
    ///
    /// The corresponding C function is `pwrite`.
    @inlinable
    public func writeAll(_ bytes: RawSpan, at offset: Int64) throws(Errno) {
        try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
            try unsafe writeAll(memory: bytes, at: offset)
        }
    }

    @usableFromInline
    func readAll(intoMemory bytes: UnsafeMutableRawBufferPointer, at offset: Int64) throws(Errno) -> Int {
        var done = 0
        while done < bytes.count {
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
            let position = off_t(offset) + done
            let count = try systemCall {
                unsafe Glibc.pread(rawValue, rest.baseAddress!, rest.count, position)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    @usableFromInline
    func writeAll(memory bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
        var done = 0
        while done < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
            let position = off_t(offset) + done
            done += try systemCall {
                unsafe Glibc.pwrite(rawValue, rest.baseAddress!, rest.count, position)
            }
        }
    }

    /// Returns when the file's bytes, and with `withAttributes` its attributes too, are durable. For a directory: its entries.
    ///
    /// The corresponding C functions are `fdatasync` and `fsync`.
    public func synchronize(withAttributes: Bool = true) throws(Errno) {
        try systemCall { withAttributes ? fsync(rawValue) : fdatasync(rawValue) }
    }

    /// Lets the kernel begin to write what is dirty of the file, and waits for none of it: nothing is durable by that.
    ///
    /// The corresponding C function is `sync_file_range` with `SYNC_FILE_RANGE_WRITE`.
    public func beginWritingBack() throws(Errno) {
        try shimCall { cplatform_begin_writing_back(rawValue) }
    }

    /// Returns when everything on the filesystem that holds this file is durable.
    ///
    /// The corresponding C function is `syncfs`.
    public func synchronizeFilesystem() throws(Errno) {
        try shimCall { cplatform_synchronize_filesystem(rawValue) }
    }

    /// Sets the file's length. Growing makes a hole.
    ///
    /// The corresponding C function is `ftruncate`.
    public func setLength(_ bytes: Int64) throws(Errno) {
        try systemCall { ftruncate(rawValue, off_t(bytes)) }
    }

    /// Changes how a range is stored; the file's length stays.
    ///
    /// `.notSupported` where the filesystem cannot do it. The corresponding C function is `fallocate`.
    public func changeSpace(_ change: SpaceChange, offset: Int64, length: Int64) throws(Errno) {
        try shimCall { cplatform_fallocate(rawValue, change.mode, offset, length) }
    }

    /// What `changeSpace` does to a range.
    public enum SpaceChange: Sendable, Hashable, CaseIterable {
        /// Reserves space, so that writing cannot fail for lack of it.
        case allocate
        /// Gives the space back; the range reads as zeros.
        case punchHole
        /// Makes the range read as zeros and keeps its space.
        case zero

        /// Nil for a mode of `fallocate` that changes more than these do. Whether the mode keeps the file's
        /// size is not looked at.
        public init?(mode: Int32) {
            let change = Self.allCases.first { $0.flags == mode & ~Int32(CPLATFORM_FALLOC_KEEP_SIZE) }
            guard let change else { return nil }
            self = change
        }

        fileprivate var mode: Int32 { flags | Int32(CPLATFORM_FALLOC_KEEP_SIZE) }

        private var flags: Int32 {
            switch self {
            case .allocate: 0
            case .punchHole: Int32(CPLATFORM_FALLOC_PUNCH_HOLE)
            case .zero: Int32(CPLATFORM_FALLOC_ZERO_RANGE)
            }
        }
    }

    /// The first offset, from `offset` on, that holds data or a hole; the file's end counts as a hole.
    ///
    /// `.noSuchAddressOrDevice` (ENXIO) when there is none. The corresponding C function is `lseek`.
    public func next(_ content: Content, from offset: Int64) throws(Errno) -> Int64 {
        Int64(try systemCall { Glibc.lseek(rawValue, off_t(offset), content.whence) })
    }

    public enum Content: Sendable, Hashable {
        case data
        case hole

        /// The number by which `lseek` knows it.
        public var whence: Int32 {
            Int32(self == .data ? CPLATFORM_SEEK_DATA : CPLATFORM_SEEK_HOLE)
        }
    }

    /// The corresponding C function is `fstat`.
    public func fileStatus() throws(Errno) -> FileStatus {
        var status = Glibc.stat()
        try systemCall { unsafe fstat(rawValue, &status) }
        return FileStatus(status)
    }

    /// Space and files of the filesystem that holds this file.
    ///
    /// The corresponding C function is `fstatvfs`.
    public func filesystemStatus() throws(Errno) -> FilesystemStatus {
        var status = Glibc.statvfs()
        try systemCall { unsafe fstatvfs(rawValue, &status) }
        return FilesystemStatus(status)
    }

    /// Closes the descriptor, which is gone whatever the kernel says. What was written is safe only after `synchronize`.
    ///
    /// The corresponding C function is `close`.
    public func closeIgnoringErrors() {
        _ = Glibc.close(rawValue)
    }

    /// Lets an empty file be written in place on a filesystem that would otherwise put what is written elsewhere, so
    /// that space reserved for it stays its own. No change where files are written in place anyway.
    ///
    /// The corresponding C function is `ioctl` with `FS_IOC_SETFLAGS` and `FS_NOCOW_FL`, which btrfs knows.
    func writeInPlace() throws(Errno) {
        do throws(Errno) {
            try shimCall { cplatform_write_in_place(rawValue) }
        } catch {
            guard error.isRefusedRequest else { throw error }
        }
    }

    /// Whether all of the file's first `length` bytes are known to have space, written or only reserved. A filesystem
    /// that cannot tell (tmpfs) does not know it.
    ///
    /// The corresponding C function is `ioctl` with `FS_IOC_FIEMAP`.
    func hasSpace(_ length: Int64) throws(Errno) -> Bool {
        do throws(Errno) {
            return try shimCall { cplatform_has_space(rawValue, UInt64(length)) } == 1
        } catch {
            guard error.isRefusedRequest else { throw error }
            return false
        }
    }

    /// One more descriptor of the same open file, closed on exec.
    ///
    /// The corresponding C function is `fcntl` with `F_DUPFD_CLOEXEC`.
    public func duplicateClosedOnExec() throws(Errno) -> FileDescriptor {
        FileDescriptor(rawValue: try systemCall { fcntl(rawValue, F_DUPFD_CLOEXEC, 0) })
    }

    /// Reads what one call gives, for descriptors where a read is a message. Unlike elsewhere here, a signal
    /// makes it fail with `.interrupted`, so that a thread that waits can be told something.
    ///
    /// The corresponding C function is `read`.
    public func readMessage(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
        let count = unsafe Glibc.read(rawValue, buffer.baseAddress, buffer.count)
        if count < 0 { throw Errno(rawValue: errno) }
        return count
    }

    /// Writes with one call, for descriptors where a write is a message.
    ///
    /// The corresponding C function is `write`.
    public func writeMessage(_ message: UnsafeRawBufferPointer) throws(Errno) {
        try systemCall { unsafe Glibc.write(rawValue, message.baseAddress, message.count) }
    }

    /// A file in memory, closed on exec.
    ///
    /// The corresponding C function is `memfd_create`.
    public static func memoryFile(named name: String) throws(Errno) -> FileDescriptor {
        FileDescriptor(rawValue: try shimCall { unsafe cplatform_memory_file(name) })
    }

    /// Takes the open file for itself, until it is closed; `.wouldBlock` when somebody else has it.
    ///
    /// The corresponding C function is `flock`.
    public func lockAlone() throws(Errno) {
        try systemCall { flock(rawValue, LOCK_EX | LOCK_NB) }
    }

    /// Whether a program started by this process inherits the descriptor.
    ///
    /// The corresponding C function is `fcntl` with `F_SETFD`.
    public func setInherited(_ isInherited: Bool) throws(Errno) {
        try systemCall { fcntl(rawValue, F_SETFD, isInherited ? 0 : FD_CLOEXEC) }
    }
}

/// A file's attributes, as far as anyone here asks.
public struct FileStatus: Sendable, Hashable {
    public var identity: FileIdentity
    public var sizeBytes: Int64
    /// Space that the file takes, holes excluded.
    public var allocatedBytes: Int64
    public var modified: FileTime
    public var changed: FileTime
    public var accessed: FileTime
    /// Whether it is neither a directory nor a device, a pipe or a socket.
    public var isRegular: Bool

    init(_ status: Glibc.stat) {
        identity = FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        sizeBytes = Int64(status.st_size)
        allocatedBytes = Int64(status.st_blocks) * 512
        modified = FileTime(seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
        changed = FileTime(seconds: status.st_ctim.tv_sec, nanoseconds: status.st_ctim.tv_nsec)
        accessed = FileTime(seconds: status.st_atim.tv_sec, nanoseconds: status.st_atim.tv_nsec)
        isRegular = status.st_mode & S_IFMT == S_IFREG
    }

    /// The corresponding C function is `stat`.
    public init(of path: FilePath) throws(Errno) {
        var status = Glibc.stat()
        try systemCall { unsafe path.withPlatformString { unsafe stat($0, &status) } }
        self.init(status)
    }
}

/// Which file of all it is, whatever it is called, for as long as it is open or has a name.
public struct FileIdentity: Sendable, Hashable {
    public var device: UInt64
    public var inode: UInt64
}

/// A point in wall time as the kernel keeps it, since 1970.
public struct FileTime: Sendable, Hashable, Comparable {
    public var seconds: Int
    public var nanoseconds: Int

    public init(seconds: Int, nanoseconds: Int = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    public static func < (left: Self, right: Self) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}

/// Space and files of a filesystem.
public struct FilesystemStatus: Sendable, Hashable {
    public var blockBytes: UInt64
    public var blocks: UInt64
    public var freeBlocks: UInt64
    public var availableBlocks: UInt64
    public var files: UInt64
    public var freeFiles: UInt64

    public init(
        blockBytes: UInt64, blocks: UInt64, freeBlocks: UInt64, availableBlocks: UInt64, files: UInt64 = 0,
        freeFiles: UInt64 = 0
    ) {
        self.blockBytes = blockBytes
        self.blocks = blocks
        self.freeBlocks = freeBlocks
        self.availableBlocks = availableBlocks
        self.files = files
        self.freeFiles = freeFiles
    }

    init(_ status: Glibc.statvfs) {
        blockBytes = UInt64(status.f_frsize)
        blocks = UInt64(status.f_blocks)
        freeBlocks = UInt64(status.f_bfree)
        availableBlocks = UInt64(status.f_bavail)
        files = UInt64(status.f_files)
        freeFiles = UInt64(status.f_ffree)
    }
}

extension Errno {
    /// What a filesystem says to a request (`ioctl`) that it does not know.
    public var isRefusedRequest: Bool {
        self == .notSupported || self == .inappropriateIOCTLForDevice || self == .invalidArgument
    }
}
