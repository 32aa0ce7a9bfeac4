import Emulator
import Foundation
import Platform
import SystemPackage
import Testing

/// What real programs do with an attached volume.
@Suite struct FilesystemDeviceTests {
    @Test func fioVerifiesTheFile() async throws {
        try await MountedFilesystem.run { filesystem in
            try filesystem.addVolume(1, sizeBytes: 1 << 30)
            let path = try filesystem.attach(1, volume: 1)
            let end = try run("fio", Fio.verifyArguments(file: path, size: "32M"))
            #expect(end.code == 0 && end.output.contains("err= 0"), "\(end.output)")
        }
    }

    @Test func fioVerifiesALoopDeviceAndDiscardGivesSpaceBack() async throws {
        try await MountedFilesystem.run { filesystem in
            try filesystem.addVolume(1, sizeBytes: 1 << 30)
            let path = try filesystem.attach(1, volume: 1)
            try withLoopDevice(on: path) { device in
                let end = try run("fio", Fio.verifyArguments(file: FilePath(device), size: "32M"))
                #expect(end.code == 0 && end.output.contains("err= 0"), "\(end.output)")
                #expect(try FileStatus(of: path).allocatedBytes >= 32 << 20)
                #expect(try run("blkdiscard", [device]).code == 0)
                #expect(try FileStatus(of: path).allocatedBytes == 0)
                #expect(try run("mkfs.ext4", ["-q", device]).code == 0)
                #expect(try run("e2fsck", ["-fn", device]).code == 0)
                #expect(try FileStatus(of: path).allocatedBytes < 64 << 20)
            }
        }
    }

    @Test func aFullDiskIsToldToTheWriter() async throws {
        let small = FilePath("/tmp/ebb-full.\(SystemRandom().hexDigits(12))")
        try createDirectories(small)
        #expect(try run("mount", ["-t", "tmpfs", "-o", "size=2m", "none", small.string]).code == 0)
        defer {
            do {
                try unmountFilesystem(at: small)
                try Directory.remove(small)
            } catch {
                Issue.record("\(small) is left: \(error)")
            }
        }
        try await MountedFilesystem.run(storeDirectory: small) { filesystem in
            try filesystem.addVolume(1, sizeBytes: 1 << 30)
            let path = try filesystem.attach(1, volume: 1)
            let file = try FileDescriptor.openFile(path, .readWrite)
            defer { file.closeIgnoringErrors() }
            let block = [UInt8](repeating: 7, count: 1 << 20)
            try file.write(block, at: 0)
            #expect(throws: Errno.noSpace) { for index in 1...4 { try file.write(block, at: Int64(index) << 20) } }
            #expect(throws: Errno.noSpace) { try file.changeSpace(.allocate, offset: 8 << 20, length: 4 << 20) }
            // The volume goes on with what there is, and with what is given back.
            #expect(try file.bytes(at: 0, count: block.count) == block)
            try file.changeSpace(.punchHole, offset: 0, length: 1 << 30)
            try file.write(block, at: 512 << 20)
            #expect(try file.bytes(at: 512 << 20, count: block.count) == block)
            await filesystem.exports.detach(AttachmentNumber(1))
        }
    }

    private func withLoopDevice(on path: FilePath, _ body: (String) throws -> Void) throws {
        let made = try run("losetup", ["-f", "--show", "--direct-io=on", path.string])
        try #require(made.code == 0, "\(made.output)")
        let device = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
        let result = Result { try body(device) }
        let removed = try run("losetup", ["-d", device])
        #expect(removed.code == 0, "\(removed.output)")
        try result.get()
    }
}
