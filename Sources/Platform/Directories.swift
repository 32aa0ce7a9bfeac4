import CPlatform
import Glibc
import SystemPackage

/// Makes a directory and those above it; what is there already stays as it is.
///
/// The corresponding C function is `mkdir`, with mode 0755.
public func createDirectories(_ path: FilePath) throws(Errno) {
    if unsafe mkdir(path.string, 0o755) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, !path.components.isEmpty else { throw Errno(rawValue: errno) }
    try createDirectories(path.removingLastComponent())
    if unsafe mkdir(path.string, 0o755) < 0, errno != EEXIST { throw Errno(rawValue: errno) }
}

/// Removes a file's name; one that is gone already is no error.
///
/// The corresponding C function is `unlink`.
public func removeFile(at path: FilePath) throws(Errno) {
    if unsafe unlink(path.string) < 0, errno != ENOENT { throw Errno(rawValue: errno) }
}

/// Writes text to standard error, all of it; there is nobody to tell if that fails.
public func writeToStandardError(_ text: String) {
    _ = try? FileDescriptor.standardError.writeAll(text.utf8)
}

/// A pipe whose ends no child inherits unless it is told to.
///
/// The corresponding C function is `pipe2` with `O_CLOEXEC`.
public func makePipe() throws(Errno) -> (readEnd: FileDescriptor, writeEnd: FileDescriptor) {
    var ends: [Int32] = [-1, -1]
    _ = try checked(unsafe cplatform_pipe(&ends))
    return (FileDescriptor(rawValue: ends[0]), FileDescriptor(rawValue: ends[1]))
}
