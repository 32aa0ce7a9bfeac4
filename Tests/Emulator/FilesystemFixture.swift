import BlockStore
import Driver
import Emulator
import Foundation
import Logging
import Platform
import SystemPackage
import Testing

/// A mounted filesystem over a store of its own. Whatever happens in `body`, nothing is left behind.
struct MountedFilesystem {
    let exports: ExportTable
    let store: VolumeStore
    let mount: FilesystemMount
    let server: FilesystemServer

    static let zone: ZoneName = "us-east-1b"
    static let instance: InstanceID = "i-00000000000000001"

    static func run(
        storeDirectory: FilePath? = nil, partBytes: Int64 = 8 << 40,
        _ body: (inout MountedFilesystem) async throws -> Void
    ) async throws {
        let root = FilePath("/tmp/ebb-fs.\(SystemRandom().hexDigits(12))")
        let store = try VolumeStore(directory: storeDirectory ?? root.appending("volumes"), partBytes: partBytes)
        let exports = try ExportTable(store: store, clock: SystemClock())
        exports.addInstance(zone: zone, instance: instance)
        let logger = Logger(label: "filesystem-test")
        let mount = try FilesystemMount.mount(at: root.appending("mount"), laneCount: 4, logger: logger)
        let server = try FilesystemServer(
            lanes: mount.lanes, initRecord: mount.initRecord, takesOver: false, exports: exports, logger: logger)
        try server.start()
        var filesystem = MountedFilesystem(exports: exports, store: store, mount: mount, server: server)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(&filesystem))
        } catch {
            result = .failure(error)
        }
        try filesystem.mount.unmount()
        await filesystem.server.waitUntilUnmounted()
        try FileManager.default.removeItem(atPath: root.string)
        try result.get()
    }

    /// Serves the same lanes anew, as the next worker does: with a table that `fill` fills like the last one.
    mutating func startNextServer(_ fill: (MountedFilesystem) throws -> Void) throws {
        let exports = try ExportTable(store: store, clock: SystemClock())
        exports.addInstance(zone: Self.zone, instance: Self.instance)
        let next = MountedFilesystem(
            exports: exports, store: store, mount: mount, server: try makeServer(exports))
        try fill(next)
        try next.server.start()
        self = next
    }

    var logger: Logger { Logger(label: "filesystem-test") }

    private func makeServer(_ exports: ExportTable) throws -> FilesystemServer {
        try FilesystemServer(
            lanes: mount.lanes, initRecord: mount.initRecord, takesOver: true, exports: exports,
            logger: logger)
    }

    static func id(_ number: Int64) -> VolumeID { VolumeID("vol-\(String(number, radix: 16))") }

    func addVolume(_ number: Int64, sizeBytes: Int64) throws {
        if try !store.exists(Self.id(number).rawValue) {
            try store.create(Self.id(number).rawValue, sizeBytes: sizeBytes)
        }
        exports.addVolume(
            VolumeNumber(number), id: Self.id(number), zone: Self.zone, sizeBytes: sizeBytes,
            createTime: Date(timeIntervalSince1970: 1_700_000_000), xattrs: ["type": "gp3"])
    }

    /// Gives the path of the attachment's file.
    @discardableResult
    func attach(_ attachment: Int64, volume: Int64, device: String = "xvdb") throws -> FilePath {
        try exports.attach(
            AttachmentNumber(attachment), volume: VolumeNumber(volume), zone: Self.zone,
            instance: Self.instance, device: DeviceName(device))
        return instanceDirectory.appending(device)
    }

    var zoneDirectory: FilePath { mount.path.appending(Self.zone.rawValue) }
    var instanceDirectory: FilePath { zoneDirectory.appending(Self.instance.rawValue) }

    func viewPath(_ volume: Int64) -> FilePath {
        zoneDirectory.appending("volumes").appending(Self.id(volume).rawValue)
    }
}

extension FileDescriptor {
    func bytes(at offset: Int64, count: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        var elements = bytes.mutableSpan
        var span = unsafe elements.mutableBytes
        let got = try readAll(into: &span, range: 0..<count, at: offset)
        return Array(bytes[..<got])
    }

    func write(_ bytes: [UInt8], at offset: Int64) throws(Errno) {
        try unsafe writeAll(bytes.span.bytes, at: offset)
    }
}

/// Runs a program and gives its exit code and what it printed.
func run(_ program: String, _ arguments: [String]) throws -> (code: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}
