// The names in a directory: listing them, removing them, making them durable.

import Glibc
public import SystemPackage

/// Directories and the names in them.
public enum Directory {
    /// The names in a directory, without `.` and `..`, in no order.
    ///
    /// The corresponding C function is `readdir`.
    public static func names(in path: FilePath) throws(Errno) -> [String] {
        guard let stream = unsafe path.withPlatformString({ unsafe opendir($0) }) else {
            throw Errno(rawValue: errno)
        }
        defer { _ = unsafe closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        if errno != 0 { throw Errno(rawValue: errno) }
        return names
    }

    /// Removes an empty directory.
    ///
    /// The corresponding C function is `rmdir`.
    public static func remove(_ path: FilePath) throws(Errno) {
        try systemCall { unsafe path.withPlatformString { unsafe rmdir($0) } }
    }

    /// Returns when the directory's entries are durable.
    ///
    /// The corresponding C function is `fsync`.
    public static func synchronize(_ path: FilePath) throws(Errno) {
        let descriptor = try FileDescriptor.openFile(path, .readOnly, options: [.directory])
        defer { descriptor.closeIgnoringErrors() }
        try descriptor.synchronize()
    }

    /// Removes a file's name. Gives whether there was one.
    ///
    /// The corresponding C function is `unlink`.
    public static func unlink(_ path: FilePath) throws(Errno) -> Bool {
        do {
            try systemCall { unsafe path.withPlatformString { unsafe Glibc.unlink($0) } }
            return true
        } catch .noSuchFileOrDirectory {
            return false
        }
    }
}
