// The catalog alone, and what start-up says to catalogs that it cannot use.
import Driver
import GRDB
import SystemPackage
import TestSupport
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct CatalogTests {
    private func volume(_ number: Int64, name: String = "") -> VolumeRecord {
        let digits = String(number, radix: 16)
        return VolumeRecord(
            number: VolumeNumber(number),
            id: VolumeID("vol-" + String(repeating: "0", count: 17 - digits.count) + digits),
            zone: "us-east-1b", specification: VolumeSpecification(type: .io1, sizeGiB: 4, iops: 100),
            isMultiAttachEnabled: true, createTime: Date(milliseconds: 1_700_000_000_123),
            tags: name.isEmpty ? [:] : [Tag.name: name, "quote\"": "ü,=\n"], state: .available)
    }

    private func attachment(_ number: Int64, volume: Int64, device: DeviceName) -> AttachmentRecord {
        AttachmentRecord(
            number: AttachmentNumber(number), volume: VolumeNumber(volume), instance: "i-1", device: device,
            attachTime: Date(milliseconds: 1_700_000_001_001), state: .attached)
    }

    private let host = InstanceRecord(id: "i-1", name: "hosta", zone: "us-east-1b")

    /// Opens, uses and closes the catalog of a directory.
    private func withCatalog<Result: Sendable>(
        in directory: FilePath, _ body: (Catalog) async throws -> Result
    ) async throws -> Result {
        let catalog = try Catalog(path: directory.appending("catalog.sqlite"))
        let result = try await body(catalog)
        try catalog.close()
        return result
    }

    @Test("what was committed is read back, each field as it was")
    func roundTrip() async throws {
        try await withTemporaryDirectory { directory in
            var expected = volume(3, name: "data")
            expected.attachments = [attachment(7, volume: 3, device: "/dev/xvdf")]
            let token = ClientTokenRecord(
                token: "t", volume: expected.id, parameters: "{}", time: Date(milliseconds: 5))
            try await withCatalog(in: directory) { catalog in
                try await catalog.commit([
                    .putInstance(host), .putVolume(expected), .putAttachment(expected.attachments[0]),
                    .putToken(token),
                ])
            }
            try await withCatalog(in: directory) { catalog in
                let contents = try catalog.contents()
                #expect(contents.volumes == [expected])
                #expect(contents.instances == [host])
                #expect(contents.tokens == [token])
                #expect(contents.lastVolume == 3)
                #expect(contents.lastAttachment == 7)
            }
        }
    }

    @Test("numbers are remembered after their rows are gone")
    func numbers() async throws {
        try await withTemporaryDirectory { directory in
            try await withCatalog(in: directory) { catalog in
                try await catalog.commit([
                    .putInstance(host), .putVolume(volume(9)),
                    .putAttachment(attachment(4, volume: 9, device: "/dev/xvdb")),
                ])
                try await catalog.commit([
                    .deleteAttachment(AttachmentNumber(4)), .deleteVolume(VolumeNumber(9)),
                ])
            }
            try await withCatalog(in: directory) { catalog in
                let contents = try catalog.contents()
                #expect(contents.volumes.isEmpty)
                #expect(contents.lastVolume == 9)
                #expect(contents.lastAttachment == 4)
            }
        }
    }

    @Test("a commit is all or nothing, and a refused one does not spoil those beside it")
    func atomic() async throws {
        try await withTemporaryDirectory { directory in
            try await withCatalog(in: directory) { catalog in
                let refused = await withTaskGroup(of: Bool.self) { group in
                    for number in Int64(1)...40 {
                        // Every fourth takes a name twice: its first row must not stay either.
                        let spoiler = self.volume(1_000 + number, name: "twice")
                        let second = self.volume(2_000 + number, name: "twice")
                        let good = self.volume(number)
                        group.addTask {
                            do {
                                try await catalog.commit(
                                    [.putVolume(good)]
                                        + (number % 4 == 0 ? [.putVolume(spoiler), .putVolume(second)] : []))
                                return false
                            } catch {
                                return true
                            }
                        }
                    }
                    return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                }
                #expect(refused == 10)
                let numbers = try catalog.contents().volumes.map(\.number.rawValue)
                #expect(numbers == (1...40).filter { $0 % 4 != 0 })
            }
        }
    }

    @Test("one device of an instance belongs to one attachment")
    func slots() async throws {
        try await withTemporaryDirectory { directory in
            try await withCatalog(in: directory) { catalog in
                try await catalog.commit([
                    .putInstance(host), .putVolume(volume(1)), .putVolume(volume(2)),
                    .putAttachment(attachment(1, volume: 1, device: "/dev/sdf")),
                ])
                await #expect(throws: StorageError.self) {
                    try await catalog.commit([.putAttachment(attachment(2, volume: 2, device: "/dev/xvdf"))])
                }
            }
        }
    }

    @Test("a second daemon on the same catalog is refused")
    func second() async throws {
        try await withTemporaryDirectory { directory in
            try await withCatalog(in: directory) { catalog in
                try await catalog.commit([.putInstance(host)])
                let error = #expect(throws: StorageError.self) {
                    try Catalog(path: directory.appending("catalog.sqlite"))
                }
                #expect(error?.code == .incorrectState)
                #expect(error?.description.contains("in use by another daemon") == true)
            }
        }
    }

    @Test("a catalog of a newer version is refused and not touched")
    func newer() async throws {
        try await withTemporaryDirectory { directory in
            try await withCatalog(in: directory) { try await $0.commit([.putInstance(host)]) }
            let path = directory.appending("catalog.sqlite")
            let other = try DatabaseQueue(path: path.string)
            try await other.write {
                try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('9: something to come')")
            }
            try other.close()
            let before = try Data(contentsOf: URL(fileURLWithPath: path.string))
            let error = #expect(throws: StorageError.self) { try Catalog(path: path) }
            #expect(error?.description.contains("written by a newer version of Ebb") == true)
            #expect(error?.description.contains("9: something to come") == true)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path.string)) == before)
        }
    }

    @Test("a file that is no catalog is called damaged")
    func damaged() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("catalog.sqlite")
            try Data(repeating: 0x42, count: 8_192).write(to: URL(fileURLWithPath: path.string))
            let error = #expect(throws: StorageError.self) { try Catalog(path: path) }
            #expect(error?.description.contains("is damaged") == true)
        }
    }

    @Test("a commit that returned is safe on disk: the journal is WAL, and every commit is synchronised")
    func durable() async throws {
        try await withTemporaryDirectory { directory in
            try await withCatalog(in: directory) { catalog in
                let settings = try ["journal_mode", "synchronous", "foreign_keys"].map(catalog.pragma)
                #expect(settings == ["wal", "2", "1"])
            }
        }
    }
}
