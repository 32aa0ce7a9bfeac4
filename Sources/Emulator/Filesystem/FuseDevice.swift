import CFuse
import Driver
import Platform
import SystemPackage

/// /dev/fuse, and what every mount of ours has in common.
enum FuseDevice {
    private static let path: FilePath = "/dev/fuse"

    /// The kernel checks permissions; reads are as long as the lanes' buffers.
    static let options = "default_permissions,max_read=\(Lane.maximumTransferBytes)"

    static func open() throws(StorageError) -> FileDescriptor {
        do throws(Errno) {
            return try FileDescriptor.openFile(path, .readWrite)
        } catch .noSuchFileOrDirectory {
            throw StorageError(
                .unavailable, "Volumes cannot be served: \(path) is missing", cause: "open: ENOENT",
                advice: "load the kernel module (modprobe fuse); in a container add --device /dev/fuse")
        } catch .noSuchAddressOrDevice, .operationNotSupportedByDevice {
            throw StorageError(
                .unavailable, "Volumes cannot be served: this kernel has no FUSE", cause: "open \(path): ENODEV",
                advice: "load the kernel module (modprobe fuse)")
        } catch {
            throw StorageError(
                .unavailable, "Volumes cannot be served: \(path) cannot be opened", cause: error.description,
                advice: "start as root, or in a container add --device /dev/fuse")
        }
    }

    /// One more descriptor of the connection that `descriptor` belongs to, with a queue of its own for what
    /// is being worked on.
    static func clone(of descriptor: FileDescriptor) throws(Errno) -> FileDescriptor {
        let clone = try FileDescriptor.openFile(path, .readWrite)
        let result = cfuse_clone(clone.rawValue, descriptor.rawValue)
        if result < 0 {
            clone.closeIgnoringErrors()
            throw Errno(rawValue: -result)
        }
        return clone
    }
}

/// `fusermount3`, which mounts for those who are not root: it sends the descriptor over a socket whose number it
/// finds in its environment.
enum FuseHelper {
    static func mount(at path: FilePath, options: String) throws(Errno) -> FileDescriptor {
        let sockets = try SocketPair()
        defer { sockets.ours.closeIgnoringErrors() }
        let arguments = [
            "_FUSE_COMMFD=\(sockets.theirs.rawValue)", "fusermount3", "-o", "fsname=ebb,subtype=ebb,\(options)",
            "--", path.string,
        ]
        let spawned = Result { () throws(Errno) in
            try ChildProcess.spawn("/usr/bin/env", arguments: arguments, inherited: [sockets.theirs])
        }
        // With ours the only copy left of their end, a helper that dies is seen as a hang-up.
        sockets.theirs.closeIgnoringErrors()
        let helper = try spawned.get()
        let received = Result { () throws(Errno) in try sockets.receiveDescriptor() }
        let end = try helper.wait()
        let descriptor = try received.get()
        guard end == .exited(code: 0) else {
            descriptor.closeIgnoringErrors()
            throw .notPermitted
        }
        return descriptor
    }

    static func unmount(_ path: FilePath) throws(Errno) {
        let helper = try ChildProcess.spawn(
            "/usr/bin/env", arguments: ["fusermount3", "-u", "-z", "--", path.string], inherited: [])
        guard try helper.wait() == .exited(code: 0) else { throw .notPermitted }
    }
}
