// Block device nodes, and the loop driver's control device.

import CPlatform
import SystemPackage

/// Makes a node for a block device, readable and writable for root and its group.
///
/// The corresponding C function is `mknod`.
public func makeBlockNode(_ path: FilePath, major: UInt32, minor: UInt32) throws(Errno) {
    _ = try checked(unsafe path.withPlatformString { unsafe cplatform_make_block_node($0, major, minor) })
}

/// The number of the block device at `path`; `nil` when nothing is there.
///
/// Throws `Errno.notBlockDevice` (`ENOTBLK`) when something else is there.
///
/// The corresponding C function is `stat`.
public func blockNumber(of path: FilePath) throws(Errno) -> (major: UInt32, minor: UInt32)? {
    var major: UInt32 = 0
    var minor: UInt32 = 0
    let result = unsafe path.withPlatformString { unsafe cplatform_block_number($0, &major, &minor) }
    if result == -Errno.noSuchFileOrDirectory.rawValue { return nil }
    _ = try checked(result)
    return (major, minor)
}

/// The number of a loop device that is free at the moment. Another process may take it first.
///
/// The corresponding C function is `ioctl` with `LOOP_CTL_GET_FREE`.
public func freeLoopNumber() throws(Errno) -> UInt32 {
    UInt32(try checked(cplatform_free_loop_number()))
}
