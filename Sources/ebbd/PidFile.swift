import Glibc
import Platform
import SystemPackage

/// The file that tells `ebb service` which process to signal. It is there exactly while the daemon runs.
struct PidFile {
    let path: FilePath

    init(path: FilePath) throws {
        self.path = path
        let descriptor = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .truncate, .closeOnExec],
            permissions: [.ownerReadWrite, .groupRead, .otherRead])
        try descriptor.closeAfter {
            _ = try descriptor.writeAll("\(getpid())\n".utf8)
        }
    }

    func remove() throws(Errno) {
        try removeFile(at: path)
    }
}
