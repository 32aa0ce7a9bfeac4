import BlockStore
import Platform
import SystemPackage
import Testing

/// A store in a directory of its own, gone after the test.
private func withStore(
    partBytes: Int64 = 8 << 40, _ body: (VolumeStore) throws -> Void
) throws {
    let directory = FilePath("/tmp/ebb-store.\(SystemRandom().hexDigits(12))")
    let store = try VolumeStore(directory: directory, partBytes: partBytes)
    defer {
        do {
            for name in try store.names() { try store.remove(name) }
            try Directory.remove(directory)
        } catch {
            Issue.record("cannot clean up \(directory): \(error)")
        }
    }
    try body(store)
}

extension VolumeFile {
    fileprivate func write(_ bytes: [UInt8], at offset: Int64) throws {
        try unsafe write(bytes.span.bytes, at: offset)
    }

    func bytes(at offset: Int64, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        var elements = bytes.mutableSpan
        var span = unsafe elements.mutableBytes
        try read(into: &span, count: count, at: offset)
        return bytes
    }
}

@Suite struct VolumeStoreTests {
    @Test func anEmptyVolumeOf64TiBTakesNoSpace() throws {
        try withStore { store in
            try store.create("vol-big", sizeBytes: 64 << 40)
            #expect(try store.sizeBytes("vol-big") == 64 << 40)
            #expect(try store.allocatedBytes("vol-big") == 0)
            #expect(try store.names() == ["vol-big"])
            let file = try store.open("vol-big", .readWrite)
            try file.write([1, 2, 3, 4], at: (64 << 40) - 4)
            #expect(try file.bytes(at: (64 << 40) - 6, count: 6) == [0, 0, 1, 2, 3, 4])
            #expect(try file.next(.data, from: 0) == (64 << 40) - 4096)
        }
    }

    @Test func aNameIsTakenOnce() throws {
        try withStore { store in
            try store.create("vol-a", sizeBytes: 4096)
            #expect(throws: Errno.fileExists) { try store.create("vol-a", sizeBytes: 8192) }
            #expect(try store.sizeBytes("vol-a") == 4096)
        }
    }

    @Test(arguments: ["", "..", "a/b", "a.1", "../../etc"])
    func whatIsNoNameIsRefused(name: String) throws {
        try withStore { store in
            #expect(throws: Errno.invalidArgument) { try store.create(name, sizeBytes: 4096) }
            #expect(throws: Errno.invalidArgument) { try store.remove(name) }
        }
    }

    @Test func removingTwiceIsNoError() throws {
        try withStore(partBytes: 4096) { store in
            try store.create("vol-a", sizeBytes: 3 * 4096)
            try store.remove("vol-a")
            #expect(try store.names() == [])
            #expect(try Directory.names(in: store.directory) == [])
            try store.remove("vol-a")
            #expect(throws: Errno.noSuchFileOrDirectory) { try store.sizeBytes("vol-a") }
        }
    }

    @Test func aHalfRemovedVolumeIsNamedAndCanBeRemovedAndMadeAnew() throws {
        try withStore(partBytes: 4096) { store in
            try store.create("vol-a", sizeBytes: 3 * 4096)
            try store.open("vol-a", .readWrite).write([7], at: 4096)
            try removeFile(at: store.directory.appending("vol-a"))
            #expect(try store.names() == ["vol-a"])
            #expect(try !store.exists("vol-a"))
            try store.create("vol-a", sizeBytes: 2 * 4096)
            #expect(try store.open("vol-a", .readOnly).bytes(at: 4096, count: 1) == [0])
        }
    }

    @Test func whatCrossesPartsIsOneRange() throws {
        try withStore(partBytes: 8192) { store in
            try store.create("vol-a", sizeBytes: 20480)
            let file = try store.open("vol-a", .readWrite)
            let pattern = (0..<12000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 1) }
            try file.write(pattern, at: 5000)
            try file.synchronize()
            #expect(try file.bytes(at: 5000, count: 12000) == pattern)
            #expect(try file.next(.data, from: 0) == 4096)
            #expect(try file.next(.hole, from: 4096) == 20480)
            try file.punchHole(at: 8192, length: 8192)
            #expect(try file.next(.hole, from: 4096) == 8192)
            #expect(try file.next(.data, from: 8192) == 16384)
            #expect(try file.bytes(at: 8190, count: 4) == [pattern[3190], pattern[3191], 0, 0])
            try file.zero(at: 0, length: 20480)
            #expect(try file.bytes(at: 0, count: 20480) == [UInt8](repeating: 0, count: 20480))
            #expect(try file.status().allocatedBytes == 20480)
            #expect(try store.allocatedBytes("vol-a") == 20480)
        }
    }

    @Test func allocatingKeepsWhatIsThere() throws {
        try withStore(partBytes: 8192) { store in
            try store.create("vol-a", sizeBytes: 16384)
            let file = try store.open("vol-a", .readWrite)
            try file.write([9], at: 8192)
            try file.allocate(at: 0, length: 16384)
            #expect(try file.bytes(at: 8191, count: 2) == [0, 9])
            #expect(try file.status().allocatedBytes == 16384)
        }
    }

    @Test func aVolumeGrowsUnderThoseWhoHaveItOpen() throws {
        try withStore(partBytes: 8192) { store in
            try store.create("vol-a", sizeBytes: 4096)
            let (file, viewer) = (try store.open("vol-a", .readWrite), try store.open("vol-a", .readOnly))
            try file.write([1, 2, 3], at: 4093)
            for size in [4096, 12288, 16384, 20480] as [Int64] {
                try store.grow("vol-a", to: size)
                #expect(try store.sizeBytes("vol-a") == size)
                try file.grow(to: size)
                try viewer.grow(to: size)
                #expect(file.sizeBytes == size)
                try file.write([9], at: size - 1)
                #expect(try viewer.bytes(at: size - 2, count: 2) == [size == 4096 ? 2 : 0, 9])
                #expect(try file.next(.hole, from: size - 1) == size)
                try file.synchronize()
            }
            #expect(try file.bytes(at: 4093, count: 4) == [1, 2, 9, 0])
            #expect(try store.open("vol-a", .readOnly).bytes(at: 4093, count: 4) == [1, 2, 9, 0])
        }
    }

    @Test func whoHasNotBeenToldOfAGrowthSeesTheFormerSize() throws {
        try withStore(partBytes: 8192) { store in
            try store.create("vol-a", sizeBytes: 4096)
            let file = try store.open("vol-a", .readWrite)
            try store.grow("vol-a", to: 20480)
            try store.open("vol-a", .readWrite).write([7], at: 6000)
            #expect(file.sizeBytes == 4096)
            #expect(try file.status().sizeBytes == 4096)
            #expect(try file.next(.hole, from: 0) == 0)
            #expect(throws: Errno.noSuchAddressOrDevice) { try file.next(.data, from: 0) }
        }
    }

    @Test func aVolumeDoesNotShrink() throws {
        try withStore(partBytes: 4096) { store in
            try store.create("vol-a", sizeBytes: 12288)
            let file = try store.open("vol-a", .readWrite)
            #expect(throws: Errno.invalidArgument) { try store.grow("vol-a", to: 8192) }
            try file.grow(to: 8192)
            #expect(file.sizeBytes == 12288)
            #expect(throws: Errno.noSuchFileOrDirectory) { try store.grow("vol-b", to: 8192) }
        }
    }

    /// As a crash leaves it: between any two steps.
    @Test(arguments: [1, 2, 3, 4])
    func aGrowthThatWasCutOffIsFinished(parts: Int) throws {
        try withStore(partBytes: 8192) { store in
            try store.create("vol-a", sizeBytes: 4096)
            try store.open("vol-a", .readWrite).write([5], at: 4095)
            try store.grow("vol-a", to: Int64(parts) * 8192)
            #expect(try store.sizeBytes("vol-a") == Int64(parts) * 8192)
            try store.grow("vol-a", to: 5 * 8192 - 4096)
            #expect(try store.sizeBytes("vol-a") == 5 * 8192 - 4096)
            #expect(try store.open("vol-a", .readOnly).bytes(at: 4095, count: 3) == [5, 0, 0])
            try store.remove("vol-a")
            #expect(try Directory.names(in: store.directory) == [])
        }
    }

    @Test func aGrowthThatFailsLeavesTheFormerSize() throws {
        try withStore(partBytes: 8192) { store in
            try store.create("vol-a", sizeBytes: 4096)
            // In the third part's place is what no file can replace.
            let obstacle = store.directory.appending("vol-a.2")
            try createDirectories(obstacle)
            #expect(throws: Errno.isDirectory) { try store.grow("vol-a", to: 5 * 8192) }
            #expect(try store.sizeBytes("vol-a") == 4096)
            #expect(try Directory.names(in: store.directory).sorted() == ["vol-a", "vol-a.2"])
            try Directory.remove(obstacle)
        }
    }

    @Test func readersAndWritersGoOnWhileAVolumeGrows() async throws {
        let (directory, partBytes) = (FilePath("/tmp/ebb-store.\(SystemRandom().hexDigits(12))"), Int64(4096))
        let store = try VolumeStore(directory: directory, partBytes: partBytes)
        try store.create("vol-a", sizeBytes: partBytes)
        let file = try store.open("vol-a", .readWrite)
        try await withThrowingTaskGroup { group in
            for worker in 1...3 as ClosedRange<UInt8> {
                group.addTask {
                    // Whatever size is seen, all of it can be used at once.
                    while true {
                        let size = file.sizeBytes
                        let offset = size - Int64(worker)
                        try file.write([worker], at: offset)
                        #expect(try file.bytes(at: offset, count: 1) == [worker])
                        if size == 64 * partBytes { return }
                        // Tasks have as many threads as there are cores; the one that grows needs one too.
                        await Task.yield()
                    }
                }
            }
            group.addTask {
                for parts in 2...64 as ClosedRange<Int64> {
                    try store.grow("vol-a", to: parts * partBytes)
                    try file.grow(to: parts * partBytes)
                }
            }
            try await group.waitForAll()
        }
        #expect(try file.bytes(at: 64 * partBytes - 3, count: 3) == [3, 2, 1])
        #expect(throws: Errno.fileTooLarge) { try file.grow(to: 65 * partBytes) }
        try store.remove("vol-a")
        try Directory.remove(directory)
    }
}
