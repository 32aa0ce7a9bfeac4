// What names stand for: links, whole paths, and replacing what a name stands for.

import Glibc
import SystemPackage

/// What a symbolic link says.
///
/// The corresponding C function is `readlink`.
public func linkTarget(of path: FilePath) throws(Errno) -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe path.withPlatformString { name in
            unsafe readlink(name, buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
        }
    }
    if count < 0 { throw Errno(rawValue: errno) }
    return String(decoding: bytes[..<count], as: UTF8.self)
}

/// Gives a file another name, in the place of what had it.
///
/// The corresponding C function is `rename`.
public func renameFile(_ path: FilePath, to newPath: FilePath) throws(Errno) {
    let result = unsafe path.withPlatformString { old in
        unsafe newPath.withPlatformString { new in unsafe rename(old, new) }
    }
    if result < 0 { throw Errno(rawValue: errno) }
}

/// Gives a file one more name, on the same filesystem; `.fileExists` when something has it already.
///
/// The corresponding C function is `link`.
public func linkFile(_ path: FilePath, as newPath: FilePath) throws(Errno) {
    let result = unsafe path.withPlatformString { old in
        unsafe newPath.withPlatformString { new in unsafe link(old, new) }
    }
    if result < 0 { throw Errno(rawValue: errno) }
}

/// Replaces a file's contents so that after a crash either the old or the new ones are there, whole.
///
/// The contents are on stable storage when this returns. The corresponding C functions are `fsync` and `rename`.
public func replaceFile(
    _ path: FilePath, with contents: [UInt8], permissions: FilePermissions = [.ownerReadWrite]
) throws(Errno) {
    let fresh = FilePath(path.string + ".new")
    do {
        let file = try FileDescriptor.open(
            fresh, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: permissions)
        try file.closeAfter {
            _ = try file.writeAll(contents)
            try file.synchronize()
        }
        try renameFile(fresh, to: path)
        try Directory.synchronize(path.removingLastComponent())
    } catch let error as Errno {
        throw error
    } catch {
        preconditionFailure("FileDescriptor throws Errno only: \(error)")
    }
}

/// A path without symbolic links, as mountinfo shows it. Everything in it must exist.
///
/// The corresponding C function is `realpath`.
public func resolvedPath(_ path: FilePath) throws(Errno) -> FilePath {
    guard let resolved = unsafe path.withPlatformString({ unsafe realpath($0, nil) }) else {
        throw Errno(rawValue: errno)
    }
    defer { unsafe free(resolved) }
    return FilePath(unsafe String(cString: resolved))
}
