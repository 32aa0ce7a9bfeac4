import CFuse
import Glibc
import Platform
import SystemPackage

/// The operations that libfuse calls, on the lane's thread. Each makes a `Request` of what it is given and hands
/// it to the lane; what is not here, libfuse answers with ENOSYS, which the kernel remembers.
///
/// The closures are C functions: they capture nothing, and they belong to no actor.
nonisolated func filesystemOperations() -> fuse_lowlevel_ops {
    var operations = fuse_lowlevel_ops()
    addTreeOperations(to: &operations)
    addFileOperations(to: &operations)
    addAttributeOperations(to: &operations)
    return operations
}

/// At most this many requests wait in the kernel's background queue, which is where asynchronous direct I/O
/// goes. The default of 12 is less than one loop device's queue depth; and what is beyond the limit waits behind
/// what is within, so that one slow volume's queue must not fill it.
private let backgroundRequests: UInt32 = 4_096

private func addTreeOperations(to operations: inout fuse_lowlevel_ops) {
    unsafe operations.`init` = { _, connection in
        let connection = unsafe connection!
        unsafe cfuse_disable_splice(connection)
        unsafe connection.pointee.max_write = UInt32(Lane.maximumTransferBytes)
        unsafe connection.pointee.max_read = UInt32(Lane.maximumTransferBytes)
        unsafe connection.pointee.max_background = backgroundRequests
        unsafe connection.pointee.congestion_threshold = backgroundRequests * 3 / 4
    }
    unsafe operations.lookup = { raw, parent, name in
        let request = unsafe Request(raw)
        let lane = request.lane
        unsafe lane.lookUp(request, String(cString: name!), in: InodeNumber(rawValue: parent))
    }
    unsafe operations.readdir = { raw, inode, size, offset, _ in
        let request = unsafe Request(raw)
        let lane = request.lane
        lane.readDirectory(request, InodeNumber(rawValue: inode), room: size, after: UInt64(offset))
    }
    unsafe operations.opendir = { raw, _, _ in unsafe Request(raw).replyOpenedDirectory() }
    unsafe operations.statfs = { raw, _ in
        let request = unsafe Request(raw)
        let lane = request.lane
        lane.filesystemStatus(request)
    }
}

private func addFileOperations(to operations: inout fuse_lowlevel_ops) {
    unsafe operations.open = { raw, inode, info in
        let request = unsafe Request(raw)
        let lane = request.lane
        let writes = unsafe info!.pointee.flags & O_ACCMODE != O_RDONLY
        lane.open(request, InodeNumber(rawValue: inode), writes: writes)
    }
    unsafe operations.release = { raw, _, _ in unsafe Request(raw).succeed() }
    unsafe operations.read = { raw, inode, size, offset, _ in
        let request = unsafe Request(raw)
        let lane = request.lane
        lane.read(request, InodeNumber(rawValue: inode), count: size, at: Int64(offset))
    }
    unsafe operations.write = { raw, inode, bytes, size, offset, _ in
        let request = unsafe Request(raw)
        let lane = request.lane
        let data = unsafe UnsafeRawBufferPointer(start: bytes, count: size)
        unsafe lane.write(request, InodeNumber(rawValue: inode), data, at: Int64(offset))
    }
    unsafe operations.fsync = { raw, inode, _, _ in
        let request = unsafe Request(raw)
        let lane = request.lane
        lane.synchronize(request, InodeNumber(rawValue: inode))
    }
    unsafe operations.fallocate = { raw, inode, mode, offset, length, _ in
        let request = unsafe Request(raw)
        let lane = request.lane
        lane.changeSpace(
            request, InodeNumber(rawValue: inode), mode: mode, at: Int64(offset), length: Int64(length))
    }
    unsafe operations.lseek = { raw, inode, offset, whence, _ in
        let request = unsafe Request(raw)
        let lane = request.lane
        lane.seek(request, InodeNumber(rawValue: inode), from: Int64(offset), whence: whence)
    }
}

private func addAttributeOperations(to operations: inout fuse_lowlevel_ops) {
    unsafe operations.getattr = { raw, inode, _ in
        let request = unsafe Request(raw)
        let lane = request.lane
        lane.attributes(request, InodeNumber(rawValue: inode))
    }
    unsafe operations.setattr = { raw, inode, wanted, fields, _ in
        let request = unsafe Request(raw)
        let lane = request.lane
        let size = fields & FUSE_SET_ATTR_SIZE != 0 ? unsafe Int64(wanted!.pointee.st_size) : nil
        let owner = fields & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) != 0
        lane.setAttributes(request, InodeNumber(rawValue: inode), sizeBytes: size, changesOwnerOrMode: owner)
    }
    unsafe operations.getxattr = { raw, inode, name, size in
        let request = unsafe Request(raw)
        let lane = request.lane
        unsafe lane.xattr(request, InodeNumber(rawValue: inode), name: String(cString: name!), room: size)
    }
    unsafe operations.listxattr = { raw, inode, size in
        let request = unsafe Request(raw)
        let lane = request.lane
        lane.xattrNames(request, InodeNumber(rawValue: inode), room: size)
    }
    unsafe operations.setxattr = { raw, _, _, _, _, _ in unsafe Request(raw).fail(.notSupported) }
    unsafe operations.removexattr = { raw, _, _ in unsafe Request(raw).fail(.notSupported) }
}
