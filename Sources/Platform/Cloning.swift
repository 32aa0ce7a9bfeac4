import CPlatform
import Glibc
public import SystemPackage

// Files that share their space until one of them is written.
extension FileDescriptor {
    /// Makes this file's contents another's, which shares its space until one of them is written.
    ///
    /// `.notSupported` where the filesystem cannot share extents (ext4), `.improperLink` (EXDEV) across two. The
    /// corresponding C function is `ioctl` with `FICLONE`.
    public func cloneContents(of source: FileDescriptor) throws(Errno) {
        try shimCall { cplatform_clone_file(rawValue, source.rawValue) }
    }

    /// Whether `cloneContents` of this file takes milliseconds, however long the file is.
    ///
    /// A clone waits until what is dirty of the file is on the disk, and costs 0.02 to 0.1 ms for each extent (xfs); nobody
    /// writes the file meanwhile. A kernel before Linux 6.5 does not tell what is dirty, and then only extents are counted.
    ///
    /// The corresponding C functions are `ioctl` with `FS_IOC_FIEMAP`, and `cachestat`.
    public func isClonedQuickly() throws(Errno) -> Bool {
        do throws(Errno) {
            guard try hasFewExtents(QuickClone.extents) else { return false }
            return try hasLittleUnwritten()
        } catch {
            guard error.isRefusedRequest else { throw error }
            return false
        }
    }

    private func hasFewExtents(_ limit: UInt32) throws(Errno) -> Bool {
        try shimCall { cplatform_has_few_extents(rawValue, limit) } == 1
    }

    /// Looks at a GiB at a time, and no further than it must: the kernel looks at each page that is there.
    private func hasLittleUnwritten() throws(Errno) -> Bool {
        let end = UInt64(try fileStatus().sizeBytes)
        var sum = cplatform_cached_pages()
        var position: UInt64 = 0
        while position < end {
            guard let pages = try cachedPages(at: position, length: QuickClone.sliceBytes) else { return true }
            sum.cached += pages.cached
            sum.unwritten += pages.unwritten
            if sum.unwritten > QuickClone.unwrittenPages || sum.cached > QuickClone.cachedPages { return false }
            position += QuickClone.sliceBytes
        }
        return true
    }

    /// Nil when the kernel does not tell, or a filter of system calls does not let it.
    func cachedPages(at offset: UInt64, length: UInt64) throws(Errno) -> cplatform_cached_pages? {
        var pages = cplatform_cached_pages()
        do throws(Errno) {
            try shimCall { unsafe cplatform_cached_pages(rawValue, offset, length, &pages) }
        } catch {
            guard error == .noFunction || error == .notPermitted else { throw error }
            return nil
        }
        return pages
    }
}

/// What a file may have so that its clone takes some milliseconds.
private enum QuickClone {
    static let extents: UInt32 = 256
    /// 8 MiB.
    static let unwrittenPages: UInt64 = 2048
    /// 16 GiB, which takes the kernel some milliseconds to look at when they lie in large folios.
    static let cachedPages: UInt64 = 4 << 20
    static let sliceBytes: UInt64 = 1 << 30
}
