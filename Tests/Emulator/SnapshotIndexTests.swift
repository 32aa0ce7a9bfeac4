// Finding snapshots: names, regions, filters and pages; and the index against a plain list, with printed seeds.
import Driver
import Platform
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite struct SnapshotIndexTests {
    private static let home = "us-east-1"

    private func refusal(_ body: () throws -> Void) -> StorageError? {
        #expect(throws: StorageError.self) { try body() }
    }

    private func ids(_ query: SnapshotQuery, _ index: SnapshotIndex) throws -> [Int64] {
        try index.page(query, in: Self.home).items.map(\.number.rawValue)
    }

    private func time(_ milliseconds: Int64) -> Date { Sample.start.adding(milliseconds: milliseconds) }

    /// Four here, in another order than their numbers, and one elsewhere.
    private func index() throws -> SnapshotIndex {
        var failed = Sample.snapshot(3, startTime: time(30), tags: ["env": "test"])
        _ = try failed.apply(.failed(at: time(40), reason: "no space left"))
        return SnapshotIndex([
            Sample.snapshot(1, startTime: time(20), tags: [Tag.name: "a", "env": "test"]),
            Sample.snapshot(2, startTime: time(10), tags: [Tag.name: "b"], origin: .copy(of: Sample.snapshotID)),
            failed, Sample.snapshot(4, startTime: time(20)),
            Sample.snapshot(5, startTime: time(5), tags: [Tag.name: "a"], region: "eu-west-1"),
        ])
    }

    @Test("snapshots are listed by start time and then id, each in its region")
    func order() throws {
        let index = try index()
        #expect(try ids(.all, index) == [2, 1, 4, 3])
        #expect(try ids(SnapshotQuery(region: "eu-west-1"), index) == [5])
        #expect(try ids(SnapshotQuery(region: "nowhere"), index).isEmpty)
    }

    @Test("several fields must all match")
    func filters() throws {
        let index = try index()
        #expect(try ids(SnapshotQuery(names: ["a", "b", "c"]), index) == [2, 1])
        #expect(try ids(SnapshotQuery(names: ["a"], tags: ["env": "test"]), index) == [1])
        #expect(try ids(SnapshotQuery(tags: ["env": "test"]), index) == [1, 3])
        #expect(try ids(SnapshotQuery(tags: ["env": ""]), index).isEmpty)
        #expect(try ids(SnapshotQuery(states: [.error]), index) == [3])
        #expect(try ids(SnapshotQuery(volumeIDs: ["vol-ffffffff"]), index) == [2])
        let two = index.listed().prefix(2).map(\.id).filter { $0 != "snap-00000000000000005" }
        #expect(try ids(SnapshotQuery(ids: two + two), index) == [2])
        #expect(try ids(SnapshotQuery(ids: two, states: [.completed]), index).isEmpty)
    }

    @Test("ids that are unknown, malformed or of another region are refused by name")
    func unknown() throws {
        let index = try index()
        let unknown = refusal { _ = try ids(SnapshotQuery(ids: ["snap-0000000000000000f"]), index) }
        #expect(unknown?.code == .snapshotNotFound)
        #expect(unknown?.message == "The snapshot 'snap-0000000000000000f' does not exist.")
        let malformed = refusal { _ = try ids(SnapshotQuery(ids: ["snapshot"]), index) }
        #expect(malformed?.code == .snapshotIDMalformed)
        let elsewhere = refusal { _ = try ids(SnapshotQuery(ids: ["snap-00000000000000005"]), index) }
        #expect(elsewhere?.code == .snapshotNotFound)
    }

    @Test("pages go through everything once, also when the snapshot at their border is deleted")
    func pages() throws {
        for limit in 1...5 {
            var index = try index()
            var (seen, token): ([Int64], String?) = ([], nil)
            repeat {
                let page = try index.page(SnapshotQuery(maxResults: limit, nextToken: token), in: Self.home)
                #expect(page.items.count <= limit)
                seen += page.items.map(\.number.rawValue)
                token = page.nextToken
                if let last = page.items.last { index.remove(last.id) }
            } while token != nil
            #expect(seen == [2, 1, 4, 3], "pages of \(limit)")
        }
    }

    @Test("what cannot be paged is refused")
    func badPages() throws {
        let index = try index()
        let both = refusal { _ = try ids(SnapshotQuery(ids: [Sample.snapshotID], maxResults: 5), index) }
        #expect(both?.code == .invalidParameterCombination)
        for limit in [0, -1, Int.min] {
            let error = refusal { _ = try ids(SnapshotQuery(maxResults: limit), index) }
            #expect(error?.code == .invalidParameterValue)
        }
        #expect(try ids(SnapshotQuery(maxResults: Int.max), index).count == 4)
        for token in ["", "/", "x/snap-1", "1", "-1/snap-1", "\(Int64.min)/snap-1", "\(Int64.max)/snap-1"] {
            let error = refusal { _ = try ids(SnapshotQuery(nextToken: token), index) }
            #expect(error?.code == .invalidNextToken, "token '\(token)'")
        }
    }

    @Test("a name is one snapshot's in a region, and its own")
    func names() throws {
        let index = try index()
        #expect(refusal { try index.checkName("a", in: Self.home) }?.code == .snapshotDuplicate)
        try index.checkName("a", in: Self.home, for: "snap-00000000000000001")
        try index.checkName("b", in: "eu-west-1")
        try index.checkName("", in: Self.home)
    }

    @Test("whatever is put and removed, the index answers as a plain list does", arguments: 0..<50)
    func model(_ seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        var index = SnapshotIndex()
        var model: [SnapshotID: SnapshotRecord] = [:]
        for step in 0..<200 {
            let number = Int64(random.next() % 12) + 1
            let name = ["", "a", "b", "c"][Int(random.next() % 4)]
            let volume = VolumeID("vol-0000000\(number % 3)")
            var snapshot = Sample.snapshot(
                number, startTime: time(number / 2), tags: name.isEmpty ? [:] : [Tag.name: name],
                origin: .volume(volume))
            if random.next() % 3 == 0 {
                index.remove(snapshot.id)
                model[snapshot.id] = nil
            } else {
                if model.values.contains(where: { $0.name == name && $0.id != snapshot.id }) { snapshot.tags = [:] }
                try index.checkName(snapshot.name, in: Self.home, for: snapshot.id)
                index.put(snapshot)
                model[snapshot.id] = snapshot
            }
            let sorted = model.values.sorted { ($0.startTime, $0.id) < ($1.startTime, $1.id) }
            #expect(try index.page(.all, in: Self.home).items == sorted[...], "seed \(seed), step \(step)")
            #expect(
                Set(index.snapshots(of: volume)) == Set(sorted.filter { $0.origin == .volume(volume) }),
                "seed \(seed), step \(step)")
            for name in ["a", "b", "c"] {
                #expect(
                    index.snapshot(named: name, in: Self.home) == sorted.first { $0.name == name },
                    "seed \(seed), step \(step)")
            }
        }
    }
}
