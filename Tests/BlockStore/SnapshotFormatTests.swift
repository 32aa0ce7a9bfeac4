import Platform
import Testing

@testable import BlockStore

/// The bytes that `docs/format.md` promises. These texts never change for a version.
@Suite struct SnapshotFormatTests {
    private static let one = Digest((0..<32).map { UInt8($0) })
    private static let two = Digest((0..<32).map { UInt8(255 - $0) })

    private static let goldenSegment = """
        6562622d7365676d 01000000 02000000 0200000000000080
        000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
        fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0
        """

    private static let goldenManifest = """
        6562622d6d616e69 01000000 00000800 0000004000000000 40000000 02000000
        01000000 00000000 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
        1f000000 00000000 fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0
        """

    /// What a place tells of a snapshot: 5 blocks, `{"name":"ä"}`.
    private static let goldenCard = """
        6562622d70757368 01000000 0d000000
        000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
        0000280000000000 7b226e616d65223a22c3a4227d
        4c2a8f043284c87ae21769fec182f269d8e3a9898ddee70c47b87dc3e35efacf
        """

    private static var card: SnapshotCard {
        SnapshotCard(manifest: one, fullSizeBytes: 5 * VolumeBlock.bytes, description: #"{"name":"ä"}"#)
    }

    private static var segment: Segment {
        var segment = Segment()
        segment[1] = one
        segment[63] = two
        return segment
    }

    private static var manifest: Manifest {
        Manifest(
            volumeSizeBytes: 1 << 30,
            segments: [.init(index: 1, name: one), .init(index: 31, name: two)])
    }

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.compactMap { $0.hexDigitValue.map { UInt8($0) } }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    @Test func aSegmentHasItsGoldenBytes() throws {
        #expect(Self.segment.encoded == Self.bytes(Self.goldenSegment))
        #expect(try Segment(decoding: Self.bytes(Self.goldenSegment)) == Self.segment)
    }

    @Test func aManifestHasItsGoldenBytes() throws {
        #expect(Self.manifest.encoded == Self.bytes(Self.goldenManifest))
        #expect(try Manifest(decoding: Self.bytes(Self.goldenManifest)) == Self.manifest)
        let golden = Self.bytes(Self.goldenManifest)
        let name = unsafe Digest(of: golden.span.bytes)
        #expect(Self.manifest.name == name)
    }

    @Test func aCardHasItsGoldenBytes() throws {
        #expect(Self.card.encoded == Self.bytes(Self.goldenCard))
        #expect(try SnapshotCard(decoding: Self.bytes(Self.goldenCard)) == Self.card)
    }

    @Test func aPlacesKeysAreThoseOfTheFormat() {
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        #expect(ObjectKey.object(Self.one) == "objects/00/\(hex.dropFirst(2))")
        let snapshot = PlacedSnapshot(id: "snap-0123456789abcdef0", manifest: Self.one)
        #expect(snapshot.key == "snapshots/snap-0123456789abcdef0.\(hex)")
        #expect(PlacedSnapshot(key: snapshot.key) == snapshot)
        for key in ["snapshots/a", "snapshots/a.\(hex).b", "snapshots/.\(hex)", "snapshots/a b.\(hex)", "x/a.\(hex)"] {
            #expect(PlacedSnapshot(key: key) == nil, "\(key)")
        }
        #expect(ObjectKey.folders.count == 257)
        #expect(ObjectKey.folders.contains("objects/00") && ObjectKey.folders.contains("objects/ff"))
    }

    @Test func whatIsCutOffOrTooLongIsMalformed() {
        for (bytes, decode) in Self.formats {
            for count in 0..<bytes.count {
                #expect(throws: MalformedObject.self) { try decode(Array(bytes.prefix(count))) }
            }
            #expect(throws: MalformedObject.self) { try decode(bytes + [0]) }
        }
    }

    /// The head's and the index's bytes: any change breaks a rule, or means something else, but never passes unseen.
    @Test func aChangedByteIsMalformedOrAnotherObject() {
        for (bytes, decode) in Self.formats {
            for place in bytes.indices {
                var changed = bytes
                changed[place] ^= 0x81
                do throws(MalformedObject) {
                    let again = try decode(changed)
                    #expect(again == changed, "byte \(place)")
                } catch {
                    #expect(!error.reason.isEmpty)
                }
            }
        }
    }

    @Test func aManifestsRulesAreHeld() {
        let golden = Self.bytes(Self.goldenManifest)
        // Version, block size, size of the volume, blocks a segment, a reserved word, the order of the segments.
        for (place, value) in [(8, UInt8(2)), (14, 9), (20, 0), (24, 65), (36, 1), (72, 1), (72, 32)] {
            var changed = golden
            changed[place] = value
            if place == 20 { changed[19] = 0 }
            #expect(throws: MalformedObject.self, "byte \(place)") { try Manifest(decoding: changed) }
        }
    }

    /// Golden bytes, and reading them and writing them again.
    private static var formats: [(bytes: [UInt8], again: ([UInt8]) throws(MalformedObject) -> [UInt8])] {
        [
            (bytes(goldenSegment), { (bytes) throws(MalformedObject) in try Segment(decoding: bytes).encoded }),
            (bytes(goldenManifest), { (bytes) throws(MalformedObject) in try Manifest(decoding: bytes).encoded }),
            (bytes(goldenCard), { (bytes) throws(MalformedObject) in try SnapshotCard(decoding: bytes).encoded }),
        ]
    }
}
