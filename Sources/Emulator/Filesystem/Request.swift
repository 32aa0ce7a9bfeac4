import CFuse
import Glibc
import Platform
import SystemPackage

/// A request of the kernel, answered exactly once: each reply consumes it, and one that is dropped is answered
/// with EIO, so that nobody waits for ever.
///
/// Whether the reply arrives is not our concern: it fails only where the kernel no longer wants it.
@safe struct Request: ~Copyable {
    private let raw: fuse_req_t

    init(_ raw: fuse_req_t?) {
        precondition(unsafe raw != nil, "libfuse gives every operation its request")
        unsafe self.raw = raw!
    }

    deinit {
        _ = unsafe cfuse_reply_error(raw, EIO)
    }

    /// The lane that the request came by; its session was made with it as context.
    var lane: Lane {
        unsafe Unmanaged<Lane>.fromOpaque(fuse_req_userdata(raw)!).takeUnretainedValue()
    }

    consuming func fail(_ error: Errno) {
        _ = unsafe cfuse_reply_error(raw, error.rawValue)
        discard self
    }

    /// Done, with nothing to say.
    consuming func succeed() {
        _ = unsafe cfuse_reply_error(raw, 0)
        discard self
    }

    /// Answers with bytes, which are copied before this returns.
    consuming func reply(memory: UnsafeRawBufferPointer) {
        _ = unsafe fuse_reply_buf(raw, memory.baseAddress?.assumingMemoryBound(to: CChar.self), memory.count)
        discard self
    }

    consuming func reply(written count: Int) {
        _ = unsafe fuse_reply_write(raw, count)
        discard self
    }

    /// Answers a look-up. The name may vanish at any time, so the kernel is to ask again each time.
    consuming func reply(entry attributes: NodeAttributes, owner: Owner) {
        var entry = fuse_entry_param()
        entry.ino = attributes.inode.rawValue
        entry.attr = attributes.status(owner: owner)
        _ = unsafe fuse_reply_entry(raw, &entry)
        discard self
    }

    /// Answers with attributes, which the kernel is to ask for again each time.
    consuming func reply(attributes: NodeAttributes, owner: Owner) {
        var status = attributes.status(owner: owner)
        _ = unsafe fuse_reply_attr(raw, &status, 0)
        discard self
    }

    /// A file is open: past the page cache, so that every view of a volume sees the same bytes at once, and
    /// with writes of several threads side by side, as on a disk.
    consuming func replyOpened() {
        let flags = CFUSE_OPEN_DIRECT_IO | CFUSE_OPEN_PARALLEL_DIRECT_WRITES
        _ = unsafe cfuse_reply_open(raw, UInt32(flags))
        discard self
    }

    /// A directory is open.
    consuming func replyOpenedDirectory() {
        _ = unsafe cfuse_reply_open(raw, 0)
        discard self
    }

    consuming func reply(offset: Int64) {
        _ = unsafe fuse_reply_lseek(raw, off_t(offset))
        discard self
    }

    /// Answers `getxattr` or `listxattr`: the value, or its length when the caller has no room yet (size 0).
    consuming func reply(xattr value: [UInt8], room: Int) {
        if room == 0 {
            _ = unsafe fuse_reply_xattr(raw, value.count)
        } else if value.count > room {
            _ = unsafe cfuse_reply_error(raw, ERANGE)
        } else {
            _ = unsafe value.withUnsafeBytes { bytes in
                unsafe fuse_reply_buf(raw, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
            }
        }
        discard self
    }

    consuming func reply(filesystem: FilesystemStatus) {
        var status = statvfs()
        status.f_bsize = UInt(filesystem.blockBytes)
        status.f_frsize = UInt(filesystem.blockBytes)
        status.f_blocks = UInt(filesystem.blocks)
        status.f_bfree = UInt(filesystem.freeBlocks)
        status.f_bavail = UInt(filesystem.availableBlocks)
        status.f_files = UInt(filesystem.files)
        status.f_ffree = UInt(filesystem.freeFiles)
        status.f_namemax = 255
        _ = unsafe fuse_reply_statfs(raw, &status)
        discard self
    }

    /// Answers `readdir` with as many entries as fit into the room that the caller has, and into the buffer.
    consuming func reply(entries: [DirectoryEntry], room: Int, buffer: UnsafeMutableRawBufferPointer) {
        let limit = min(room, buffer.count)
        var used = 0
        for entry in entries {
            var status = stat()
            status.st_ino = UInt(entry.inode.rawValue)
            status.st_mode = entry.isDirectory ? FileKind.directory : FileKind.regular
            let start = unsafe buffer.baseAddress!.assumingMemoryBound(to: CChar.self) + used
            let size = unsafe fuse_add_direntry(
                raw, start, limit - used, entry.name, &status, off_t(entry.inode.rawValue))
            if size > limit - used { break }
            used += size
        }
        _ = unsafe fuse_reply_buf(raw, buffer.baseAddress!.assumingMemoryBound(to: CChar.self), used)
        discard self
    }
}

/// Whom the tree's files belong to: the user that the server acts as.
struct Owner: Hashable, Sendable {
    var user: UInt32
    var group: UInt32
}

/// `S_IFDIR` and `S_IFREG`, in the width of `st_mode`.
private enum FileKind {
    static let directory: mode_t = 0o040000
    static let regular: mode_t = 0o100000
}

extension NodeAttributes {
    fileprivate func status(owner: Owner) -> stat {
        var status = stat()
        status.st_ino = UInt(inode.rawValue)
        status.st_uid = owner.user
        status.st_gid = owner.group
        status.st_size = off_t(sizeBytes)
        status.st_blocks = blkcnt_t(allocatedBytes / 512)
        status.st_blksize = 4096
        status.st_atim = accessed.specification
        status.st_mtim = modified.specification
        status.st_ctim = changed.specification
        switch kind {
        case .directory: (status.st_mode, status.st_nlink) = (FileKind.directory | 0o755, 2)
        case .readOnlyFile: (status.st_mode, status.st_nlink) = (FileKind.regular | 0o400, 1)
        case .device: (status.st_mode, status.st_nlink) = (FileKind.regular | 0o600, 1)
        }
        return status
    }
}

extension FileTime {
    fileprivate var specification: timespec { timespec(tv_sec: seconds, tv_nsec: nanoseconds) }
}
