// Which paths lead onto the region's own volumes.
import BlockStore
import Driver
import Foundation
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

@Suite struct OwnVolumesTests {
    @Test("a path that goes through a volume of the region is known, and no other")
    func ownVolumes() throws {
        let mounts = MountInfo.parse(
            """
            1 0 254:1 / / rw - ext4 /dev/vda1 rw
            2 1 0:50 / /run/ebb/volumes rw - fuse.ebb ebb rw
            3 1 7:3 / /var/lib/ebb/mounts/data rw - ext4 /dev/xvdb rw
            4 1 7:4 / /mnt/image rw - ext4 /dev/loop4 rw
            5 1 7:3 / /mnt/hidden rw - ext4 /dev/xvdb rw
            6 5 0:51 / /mnt/hidden rw - tmpfs tmpfs rw

            """)
        let files = ["7:3": "/run/ebb/volumes/us-east-1b/here/xvdb", "7:4": "/srv/image"]
        let volumes = try OwnVolumes(tree: "/run/ebb/volumes", mounts: mounts) { device in
            files[device.description].map { [FilePath($0)] } ?? []
        }
        let links: [FilePath: String] = [
            "/home": "/usr/home", "/usr/home/out": "../../var/lib/ebb/mounts/data/sub", "/loop": "loop",
            "/srv/here": "../mnt/image",
        ]
        func holds(_ path: FilePath) throws(Errno) -> Bool {
            try volumes.hold(path) { (path) throws(Errno) in
                #expect(!path.starts(with: "/var/lib/ebb/mounts/data"), "\(path) is looked at")
                guard let target = links[path] else { throw .invalidArgument }
                return target
            }
        }
        for path: FilePath in [
            "/var/lib/ebb/mounts/data", "/var/lib/ebb/mounts/data/x", "/run/ebb/volumes/us-east-1b/volumes/x",
            "/home/out/x", "/usr/./home/../home/out", "/var/lib/ebb/mounts/other/../data/x",
        ] {
            #expect(try holds(path), "\(path)")
        }
        for path: FilePath in [
            "/", "/x", "/var/lib/ebb/mounts", "/var/lib/ebb/mounts/database/x", "/mnt/image/x", "/mnt/hidden/x",
            "/srv/here/x", "/home/x",
        ] {
            #expect(try !holds(path), "\(path)")
        }
        #expect(throws: Errno.tooManySymbolicLinkLevels) { try holds("/loop/x") }
    }

    /// - Parameter files: of block devices, by number.
    private func volumes(
        _ mounts: String, files: [String: [String]] = [:], devices: [String: String] = [:]
    ) throws -> OwnVolumes {
        try OwnVolumes(tree: "/run/ebb/volumes", mounts: MountInfo.parse(mounts)) { device in
            (files["\(device)"] ?? []).map { FilePath($0) }
        } blockDevice: { source in
            devices[source].flatMap { DeviceNumber($0) }
        }
    }

    private func holds(_ volumes: OwnVolumes, _ path: FilePath) throws -> Bool {
        try volumes.hold(path) { (_) throws(Errno) in throw .invalidArgument }
    }

    @Test("the tree, or a part of it, is known wherever else it is mounted, and so is what lies on that")
    func bindMounts() throws {
        let volumes = try volumes(
            """
            1 0 254:1 / / rw - ext4 /dev/vda1 rw
            2 1 0:50 /us-east-1b /mnt/before rw - fuse.ebb ebb rw
            3 1 0:50 / /run/ebb/volumes rw - fuse.ebb ebb rw
            4 1 0:50 /us-east-1b /mnt/part rw - fuse.ebb ebb rw
            5 1 0:51 / /mnt/other rw - fuse.sshfs far: rw
            6 1 7:0 / /mnt/inner rw - ext4 /dev/loop0 rw
            7 1 7:1 / /mnt/innermost rw - ext4 /dev/loop1 rw
            """, files: ["7:0": ["/mnt/part/here/xvdb"], "7:1": ["/mnt/inner/images/x"]])
        for path: FilePath in ["/mnt/before/x", "/mnt/part", "/mnt/inner/x", "/mnt/innermost/x"] {
            #expect(try holds(volumes, path), "\(path)")
        }
        #expect(try !holds(volumes, "/mnt/other/x"))
    }

    @Test("what lies on a volume is known also where it is listed before the volume")
    func listedInTheOrderOfTheTree() throws {
        let volumes = try volumes(
            """
            1 0 254:1 / / rw - ext4 /dev/vda1 rw
            2 1 7:2 / /a/outermost rw - ext4 /dev/loop2 rw
            3 1 7:1 / /b/outer rw - ext4 /dev/loop1 rw
            4 1 7:0 / /c/inner rw - ext4 /dev/loop0 rw
            5 1 0:50 / /run/ebb/volumes rw - fuse.ebb ebb rw
            """,
            files: [
                "7:0": ["/run/ebb/volumes/us-east-1b/here/xvdb"], "7:1": ["/c/inner/x"], "7:2": ["/b/outer/x"],
            ])
        for path: FilePath in ["/a/outermost/x", "/b/outer/x", "/c/inner/x"] {
            #expect(try holds(volumes, path), "\(path)")
        }
        #expect(try !holds(volumes, "/a/x"))
    }

    @Test("where a directory of the root is mounted as the tree, the root is not the region's")
    func boundDirectory() throws {
        let volumes = try volumes(
            """
            1 0 0:40 / / rw - overlay overlay rw
            2 1 0:40 /run/ebb/volumes /run/ebb/volumes rw - overlay overlay rw
            """)
        #expect(try !holds(volumes, "/srv/x"))
        #expect(try holds(volumes, "/run/ebb/volumes/x"))
    }

    @Test("a filesystem with a number of its own lies on the device that its source names")
    func unnamedDevices() throws {
        let volumes = try volumes(
            """
            1 0 254:1 / / rw - ext4 /dev/vda1 rw
            2 1 0:52 / /mnt/own rw - btrfs /dev/loop0 rw
            3 1 0:53 / /mnt/image rw - btrfs /dev/loop1 rw
            4 1 0:54 / /mnt/memory rw - tmpfs none rw
            """, files: ["7:0": ["/run/ebb/volumes/us-east-1b/here/xvdb"], "7:1": ["/srv/image"]],
            devices: ["/dev/loop0": "7:0", "/dev/loop1": "7:1"])
        #expect(try holds(volumes, "/mnt/own/x"))
        #expect(try !holds(volumes, "/mnt/image/x"))
        #expect(try !holds(volumes, "/mnt/memory/x"))
    }

    // MARK: Block devices

    /// A sysfs of a test's own.
    private struct Sysfs {
        let root: FilePath

        var devices: BlockDevices { BlockDevices(sysfs: root) }

        func add(_ path: FilePath, _ number: String, _ files: [String: String] = [:], over: [String] = []) throws {
            let directory = root.appending("devices").pushing(path)
            let name = try #require(path.lastComponent).string
            for (file, text) in files.merging(["dev": number], uniquingKeysWith: { $1 }) {
                let file = directory.pushing(FilePath(file))
                try createDirectories(file.removingLastComponent())
                try writeFile(file, text + "\n")
            }
            for one in over {
                try link(directory.appending("slaves"), one, to: root.appending("devices").pushing(FilePath(one)))
            }
            try link(root.appending("dev/block"), number, to: directory)
            try link(root.appending("class/block"), name, to: directory)
        }

        private func link(_ directory: FilePath, _ name: String, to target: FilePath) throws {
            try createDirectories(directory)
            let link = directory.appending(String(name.split(separator: "/").last ?? ""))
            try FileManager.default.createSymbolicLink(atPath: link.string, withDestinationPath: target.string)
        }
    }

    @Test("partitions, mapped devices and what is stacked on them are followed to the files beneath")
    func stackedDevices() async throws {
        try await withTemporaryDirectory { directory in
            let sysfs = Sysfs(root: directory)
            try sysfs.add("vda", "254:0")
            try sysfs.add("loop0", "7:0", ["loop/backing_file": "/images/0"])
            try sysfs.add("loop0/loop0p1", "259:0", ["partition": "1"])
            try sysfs.add("loop1", "7:1", ["loop/backing_file": "/images/1"])
            try sysfs.add("dm-0", "253:0", over: ["loop0/loop0p1", "loop1"])
            try sysfs.add("dm-1", "253:1", over: ["dm-0"])
            try sysfs.add("dm-2", "253:2", over: ["vda"])
            let devices = sysfs.devices
            for (number, files) in [
                ("254:0", []), ("7:0", ["/images/0"]), ("259:0", ["/images/0"]), ("253:0", ["/images/0", "/images/1"]),
                ("253:1", ["/images/0", "/images/1"]), ("253:2", []), ("7:9", []),
            ] {
                let found = try devices.files(beneath: try #require(DeviceNumber(number)))
                #expect(found.map(\.string).sorted() == files, "\(number)")
            }
            #expect(try devices.number(ofSource: "/dev/dm-1") == DeviceNumber(major: 253, minor: 1))
            #expect(try devices.number(ofSource: "/dev/none") == nil)
            #expect(try devices.number(ofSource: "tmpfs") == nil)
            #expect(try devices.number(ofSource: "/srv/loop0") == nil)
        }
    }

    @Test("a partition of a loop device is followed to its file")
    func realPartition() async throws {
        try await withTemporaryDirectory { directory in
            let image = directory.appending("image")
            try #require(try run("truncate", ["-s", "16M", image.string]).code == 0)
            let made = try run("losetup", ["-f", "-P", "--show", image.string])
            try #require(made.code == 0, "\(made.output)")
            let device = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
            let end = {
                let removed = try run("losetup", ["-d", device])
                #expect(removed.code == 0, "\(removed.output)")
            }
            try await withCleanup(end) {
                try #require(try run("addpart", [device, "1", "2048", "8192"]).code == 0)
                let devices = BlockDevices(sysfs: "/sys")
                let number = try #require(try devices.number(ofSource: device + "p1"))
                #expect(number.major != DeviceNumber.loopMajor)
                #expect(try devices.files(beneath: number) == [image])
                try #require(try run("delpart", [device, "1"]).code == 0)
                #expect(try devices.files(beneath: number) == [], "it is gone")
            }
        }
    }

    @Test("a part of the mounted tree is known where it is bound")
    func realBindMount() async throws {
        try await MountedFilesystem.run { filesystem in
            try filesystem.addVolume(1, sizeBytes: 1 << 20)
            let (tree, zone) = (filesystem.mount.path, filesystem.zoneDirectory)
            try await withTemporaryDirectory { directory in
                let place = directory.appending("bound")
                try createDirectories(place)
                try await withMounted(["--bind", zone.string], at: place) {
                    let volumes = try OwnVolumes(tree: tree)
                    #expect(try volumes.hold(place.appending("volumes/x")))
                    #expect(try volumes.hold(tree.appending("x")))
                    #expect(try !volumes.hold(directory.appending("x")))
                }
            }
        }
    }
}
