import Emulator
import Platform
import SystemPackage
import Testing

/// Random operations on a mounted volume, compared with an array of bytes.
@Suite struct FilesystemModelTests {
    private static let sizeBytes: Int64 = 768 << 10
    /// Growth ends here: five times, across several files.
    private static let largestBytes = 2 << 20
    private static let operations = 200

    /// Five seeds that stay, and one that is new each time.
    static let seeds: [UInt64] = [1, 2, 3, 4, 5, SystemRandom().next()]

    @Test(arguments: seeds) func aVolumeIsAnArrayOfBytes(seed: UInt64) async throws {
        try await MountedFilesystem.run(partBytes: 256 << 10) { filesystem in
            try filesystem.addVolume(1, sizeBytes: Self.sizeBytes)
            let model = Model(random: SeededRandom(seed: seed), attachment: 1)
            model.file = try .openFile(try filesystem.attach(1, volume: 1), .readWrite)
            defer { model.file.closeIgnoringErrors() }
            for step in 0..<Self.operations {
                let operation = Operation.allCases[model.below(Operation.allCases.count)]
                do {
                    try await model.apply(operation, to: &filesystem)
                } catch {
                    Issue.record("seed \(seed), step \(step), \(operation): \(error)")
                    return
                }
                if let difference = model.difference {
                    Issue.record("seed \(seed), step \(step), \(operation): \(difference)")
                    return
                }
            }
            try model.compareEverything(with: filesystem.viewPath(1))
            #expect(model.difference == nil, "seed \(seed), at the end")
        }
    }

    enum Operation: CaseIterable {
        case read, readAgain, write, writeAgain, punch, zero, allocate, seek, synchronize, grow, reattach, restart
    }

    /// The array, and the volume's open file.
    final class Model {
        let random: SeededRandom
        var attachment: Int64
        var bytes = [UInt8](repeating: 0, count: Int(FilesystemModelTests.sizeBytes))
        var file = FileDescriptor(rawValue: -1)
        var difference: String?

        init(random: SeededRandom, attachment: Int64) {
            self.random = random
            self.attachment = attachment
        }

        var sizeBytes: Int64 { Int64(bytes.count) }

        func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

        /// Half of the ranges are whole pages, as a filesystem's; some are long.
        func range() -> Range<Int> {
            let unit = below(2) == 0 ? 4096 : 1
            let longest = below(16) == 0 ? bytes.count : 20_000
            let start = below(bytes.count / unit) * unit
            let length = max(1, below(longest) / unit) * unit
            return start..<min(bytes.count, start + length)
        }

        func apply(_ operation: Operation, to filesystem: inout MountedFilesystem) async throws {
            let range = range()
            switch operation {
            case .read, .readAgain:
                let got = try file.bytes(at: Int64(range.lowerBound), count: range.count)
                if got != Array(bytes[range]) { difference = "bytes of \(range)" }
            case .write, .writeAgain:
                let seed = UInt8(truncatingIfNeeded: random.next() | 1)
                let pattern = range.map { UInt8(truncatingIfNeeded: $0 >> 3) ^ seed }
                try file.write(pattern, at: Int64(range.lowerBound))
                bytes.replaceSubrange(range, with: pattern)
            case .punch:
                try file.changeSpace(.punchHole, offset: Int64(range.lowerBound), length: Int64(range.count))
                bytes.replaceSubrange(range, with: repeatElement(0, count: range.count))
            case .zero:
                try file.changeSpace(.zero, offset: Int64(range.lowerBound), length: Int64(range.count))
                bytes.replaceSubrange(range, with: repeatElement(0, count: range.count))
            case .allocate:
                try file.changeSpace(.allocate, offset: Int64(range.lowerBound), length: Int64(range.count))
            case .seek:
                try checkHoles()
            case .synchronize:
                try file.synchronize()
            case .grow:
                try grow(in: filesystem)
            case .reattach:
                try await reattach(in: filesystem)
            case .restart:
                filesystem.server.stop()
                let (attachment, sizeBytes) = (attachment, sizeBytes)
                try filesystem.startNextServer { next in
                    try next.addVolume(1, sizeBytes: sizeBytes)
                    try next.attach(attachment, volume: 1)
                }
            }
        }

        /// What the file says are holes must be zeros in the array, and together they and the data are all.
        private func checkHoles() throws {
            var offset: Int64 = 0
            while offset < sizeBytes {
                let data = try nextData(from: offset)
                if bytes[Int(offset)..<Int(data)].contains(where: { $0 != 0 }) {
                    difference = "no hole at \(offset)..<\(data)"
                }
                if data == sizeBytes { return }
                offset = try file.next(.hole, from: data)
                if offset <= data { difference = "the data at \(data) ends at \(offset)" }
            }
        }

        private func nextData(from offset: Int64) throws(Errno) -> Int64 {
            do throws(Errno) {
                return try file.next(.data, from: offset)
            } catch .noSuchAddressOrDevice {
                return sizeBytes
            }
        }

        /// The open file grows by odd amounts of pages.
        private func grow(in filesystem: MountedFilesystem) throws {
            let more = (1 + below(80)) * 4096
            guard bytes.count + more <= largestBytes else { return }
            bytes += [UInt8](repeating: 0, count: more)
            try filesystem.store.grow(MountedFilesystem.id(1).rawValue, to: sizeBytes)
            try filesystem.exports.grow(VolumeNumber(1), to: sizeBytes)
            let seen = try file.seek(offset: 0, from: .end)
            if seen != sizeBytes { difference = "the size is \(seen), not \(sizeBytes)" }
        }

        private func reattach(in filesystem: MountedFilesystem) async throws {
            await filesystem.exports.detach(AttachmentNumber(attachment))
            #expect(throws: Errno.ioError) { try file.bytes(at: 0, count: 1) }
            file.closeIgnoringErrors()
            attachment += 1
            file = try .openFile(try filesystem.attach(attachment, volume: 1), .readWrite)
        }

        func compareEverything(with view: FilePath) throws {
            let looking = try FileDescriptor.openFile(view, .readOnly)
            defer { looking.closeIgnoringErrors() }
            for descriptor in [file, looking] where try descriptor.bytes(at: 0, count: bytes.count) != bytes {
                difference = "bytes of the whole volume"
            }
        }
    }
}
