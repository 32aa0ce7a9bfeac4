import Driver
import Emulator
import Foundation
import Platform
import SystemPackage
import Testing

/// The real thing: mounted through the kernel.
@Suite struct FilesystemTests {
    private static let mebibyte: Int64 = 1 << 20

    @Test func theTreeShowsZonesInstancesDevicesAndVolumes() async throws {
        try await MountedFilesystem.run { filesystem in
            filesystem.exports.addZone("us-east-1a")
            try filesystem.addVolume(1, sizeBytes: Self.mebibyte)
            try filesystem.addVolume(2, sizeBytes: Self.mebibyte)
            try filesystem.attach(7, volume: 2, device: "xvdc")
            let tree = try run("find", [filesystem.mount.path.string, "-mindepth", "1", "-printf", "%P %y %m %s\n"])
            #expect(
                tree.output.split(separator: "\n").sorted() == [
                    "us-east-1a d 755 0", "us-east-1a/volumes d 755 0", "us-east-1b d 755 0",
                    "us-east-1b/i-00000000000000001 d 755 0",
                    "us-east-1b/i-00000000000000001/xvdc f 600 1048576", "us-east-1b/volumes d 755 0",
                    "us-east-1b/volumes/vol-1 f 400 1048576", "us-east-1b/volumes/vol-2 f 400 1048576",
                ])
        }
    }

    @Test func aDirectoryOf3000VolumesIsListedWhole() async throws {
        try await MountedFilesystem.run { filesystem in
            // Only listed, so that no bytes are needed.
            for number in 1...3000 {
                let number = Int64(number)
                filesystem.exports.addVolume(
                    VolumeNumber(number), id: MountedFilesystem.id(number), zone: MountedFilesystem.zone,
                    sizeBytes: 1 << 30, createTime: Date(timeIntervalSince1970: 0))
            }
            filesystem.exports.removeVolume(VolumeNumber(1500))
            let names = try Directory.names(in: filesystem.zoneDirectory.appending("volumes"))
            #expect(Set(names).count == 2999)
            #expect(names.count == 2999)
        }
    }

    @Test func whatIsWrittenIsReadByBothViews() async throws {
        try await MountedFilesystem.run { filesystem in
            try filesystem.addVolume(1, sizeBytes: 4 * Self.mebibyte)
            let path = try filesystem.attach(1, volume: 1)
            let file = try FileDescriptor.openFile(path, .readWrite)
            defer { file.closeIgnoringErrors() }
            let pattern = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) }
            try file.write(pattern, at: 12345)
            try file.synchronize()
            #expect(try file.bytes(at: 12345, count: pattern.count) == pattern)
            let view = try FileDescriptor.openFile(filesystem.viewPath(1), .readOnly)
            defer { view.closeIgnoringErrors() }
            #expect(try view.bytes(at: 12345, count: pattern.count) == pattern)
            try file.write([1, 2, 3], at: 12345)
            #expect(try view.bytes(at: 12345, count: 3) == [1, 2, 3])
        }
    }

    @Test func aVolumeEndsLikeABlockDevice() async throws {
        try await MountedFilesystem.run { filesystem in
            try filesystem.addVolume(1, sizeBytes: Self.mebibyte)
            let path = try filesystem.attach(1, volume: 1)
            let file = try FileDescriptor.openFile(path, .readWrite, options: [.truncate])
            defer { file.closeIgnoringErrors() }
            #expect(try file.fileStatus().sizeBytes == Self.mebibyte)
            #expect(try file.bytes(at: Self.mebibyte - 2, count: 10) == [0, 0])
            #expect(try file.bytes(at: Self.mebibyte, count: 10) == [])
            #expect(throws: Errno.noSpace) { try file.write([1], at: Self.mebibyte) }
            #expect(throws: Errno.noSpace) { try file.write([1, 2], at: Self.mebibyte - 1) }
            #expect(try file.bytes(at: Self.mebibyte - 1, count: 1) == [1])
            #expect(throws: Errno.notPermitted) { try file.setLength(2 * Self.mebibyte) }
            try file.setLength(Self.mebibyte)
            #expect(throws: Errno.invalidArgument) {
                try file.changeSpace(.punchHole, offset: 0, length: 2 * Self.mebibyte)
            }
        }
    }

    @Test func sparseStaysSparseAndTheNumbersAreTrue() async throws {
        try await MountedFilesystem.run { filesystem in
            try filesystem.addVolume(1, sizeBytes: 64 << 40)
            let path = try filesystem.attach(1, volume: 1)
            let file = try FileDescriptor.openFile(path, .readWrite)
            defer { file.closeIgnoringErrors() }
            #expect(try file.fileStatus().allocatedBytes == 0)
            #expect(throws: Errno.noSuchAddressOrDevice) { try file.next(.data, from: 0) }
            try file.write([UInt8](repeating: 5, count: 65536), at: 40 << 40)
            #expect(try file.fileStatus().allocatedBytes == 65536)
            #expect(try file.next(.data, from: 0) == 40 << 40)
            #expect(try file.next(.hole, from: 40 << 40) == 40 << 40 + 65536)
            let view = try FileDescriptor.openFile(filesystem.viewPath(1), .readOnly)
            defer { view.closeIgnoringErrors() }
            #expect(try view.next(.data, from: 0) == 40 << 40)
            #expect(try view.fileStatus().allocatedBytes == 65536)
            try file.changeSpace(.zero, offset: 40 << 40, length: 4096)
            #expect(try file.bytes(at: 40 << 40, count: 4097) == [UInt8](repeating: 0, count: 4096) + [5])
            try file.changeSpace(.punchHole, offset: 40 << 40, length: 65536)
            #expect(try file.fileStatus().allocatedBytes == 0)
            try file.changeSpace(.allocate, offset: 0, length: 8192)
            #expect(try file.fileStatus().allocatedBytes == 8192)
        }
    }

    @Test func theViewByIdIsForLooking() async throws {
        try await MountedFilesystem.run { filesystem in
            try filesystem.addVolume(1, sizeBytes: Self.mebibyte)
            #expect(throws: Errno.readOnlyFileSystem) {
                try FileDescriptor.openFile(filesystem.viewPath(1), .readWrite)
            }
            #expect(throws: (any Error).self) {
                try FileDescriptor.openFile(filesystem.zoneDirectory.appending("new"), .readWrite, options: [.create])
            }
            #expect(throws: (any Error).self) { try removeFile(at: filesystem.viewPath(1)) }
        }
    }

    @Test func afterDetachIOFailsAndTheNameIsGone() async throws {
        try await MountedFilesystem.run { filesystem in
            try filesystem.addVolume(1, sizeBytes: Self.mebibyte)
            let path = try filesystem.attach(1, volume: 1)
            let file = try FileDescriptor.openFile(path, .readWrite)
            defer { file.closeIgnoringErrors() }
            try file.write([1], at: 0)
            await filesystem.exports.detach(AttachmentNumber(1))
            #expect(throws: Errno.ioError) { try file.write([2], at: 0) }
            #expect(throws: Errno.ioError) { try file.bytes(at: 0, count: 1) }
            #expect(throws: Errno.ioError) { try file.synchronize() }
            #expect(throws: Errno.ioError) { try file.changeSpace(.punchHole, offset: 0, length: 4096) }
            #expect(throws: Errno.noSuchFileOrDirectory) { try FileDescriptor.openFile(path, .readOnly) }
            // The next attachment is another file, and the old descriptor does not come back to life.
            try filesystem.attach(2, volume: 1)
            #expect(throws: Errno.ioError) { try file.bytes(at: 0, count: 1) }
            let next = try FileDescriptor.openFile(path, .readOnly)
            defer { next.closeIgnoringErrors() }
            #expect(try next.bytes(at: 0, count: 1) == [1])
        }
    }

    @Test func attributesOfTheRegionAreExtendedAttributes() async throws {
        try await MountedFilesystem.run { filesystem in
            try filesystem.addVolume(1, sizeBytes: Self.mebibyte)
            let path = try filesystem.attach(1, volume: 1)
            let script = """
                import os, sys
                path = sys.argv[1]
                for name in sorted(os.listxattr(path)): print(name, os.getxattr(path, name).decode())
                for change in (lambda: os.setxattr(path, "user.x", b"1"), lambda: os.getxattr(path, "user.x")):
                    try: change()
                    except OSError as error: print(error.strerror)
                """
            #expect(
                try run("python3", ["-c", script, path.string]).output == """
                    user.ebb.create-time 2023-11-14T22:13:20Z
                    user.ebb.device /dev/xvdb
                    user.ebb.id vol-1
                    user.ebb.instance i-00000000000000001
                    user.ebb.type gp3
                    user.ebb.zone us-east-1b
                    Operation not supported
                    No data available

                    """)
        }
    }

    @Test func theFilesystemsSpaceIsThatOfTheStore() async throws {
        try await MountedFilesystem.run { filesystem in
            let format = ["-f", "-c", "%S %b"]
            let ours = try run("stat", format + [filesystem.mount.path.string])
            let theirs = try run("stat", format + [filesystem.store.directory.string])
            #expect(ours.code == 0)
            #expect(ours.output == theirs.output)
        }
    }

    @Test func aDeadMountIsTakenAway() async throws {
        try await MountedFilesystem.run { filesystem in
            let logger = filesystem.logger
            let path = filesystem.mount.path.removingLastComponent().appending("stale")
            let dead = try FilesystemMount.mount(at: path, laneCount: 1, logger: logger)
            for descriptor in dead.lanes { descriptor.closeIgnoringErrors() }
            #expect(throws: Errno.socketNotConnected) { try FileStatus(of: path) }
            let next = try FilesystemMount.mount(at: path, laneCount: 1, logger: logger)
            try next.unmount()
            #expect(try Directory.names(in: path) == [])
        }
    }

    @Test func theServerEndsWithTheMount() async throws {
        try await MountedFilesystem.run { filesystem in
            try unmountFilesystem(at: filesystem.mount.path)
            await filesystem.server.waitUntilUnmounted()
        }
    }
}
