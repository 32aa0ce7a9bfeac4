// The table of volume types at its edges. Texts are checked by the conformance suite.
import Driver
import Testing

@testable import Emulator

@Suite struct VolumeTypeTests {
    private func iops(_ type: VolumeType, _ sizeGiB: Int, _ iops: Int?, throughput: Int? = nil) throws -> Int? {
        try VolumeTypeLimits.of(type).specification(sizeGiB: sizeGiB, iops: iops, throughputMiBps: throughput).iops
    }

    @Test("gp2's baseline is three a GiB, between 100 and 16,000")
    func baseline() throws {
        for (size, expected) in [
            (1, 100), (33, 100), (34, 102), (1_000, 3_000), (5_333, 15_999), (5_334, 16_000), (16_384, 16_000),
        ] {
            #expect(try iops(.gp2, size, nil) == expected, "\(size) GiB")
        }
    }

    @Test(
        "sizes at a type's edges",
        arguments: [
            (VolumeType.standard, 1...1_024), (.gp2, 1...16_384), (.gp3, 1...65_536), (.io1, 4...16_384),
            (.io2, 4...65_536), (.st1, 125...16_384), (.sc1, 125...16_384),
        ])
    func sizes(_ type: VolumeType, _ range: ClosedRange<Int>) throws {
        let asked = type == .io1 || type == .io2 ? 100 : nil
        for size in [range.lowerBound, range.upperBound] {
            #expect(throws: Never.self) { try iops(type, size, asked) }
        }
        for size in [range.lowerBound - 1, range.upperBound + 1, .min, .max] {
            #expect(throws: StorageError.self, "\(size) GiB") { try iops(type, size, asked) }
        }
    }

    @Test("gp3's first 3,000 IOPS are bound to no size, later ones are")
    func gp3Ratio() throws {
        #expect(try iops(.gp3, 1, 3_000) == 3_000)
        #expect(try iops(.gp3, 7, 3_500) == 3_500)
        #expect(throws: StorageError.self) { try iops(.gp3, 7, 3_501) }
        #expect(throws: StorageError.self) { try iops(.gp3, 1, 3_001) }
        #expect(throws: StorageError.self) { try iops(.gp3, 100, 2_999) }
    }

    @Test("gp3's limits before 2025-09 are another profile, for modifications too")
    func legacy() throws {
        let limits = try VolumeTypeLimits.of(.gp3, .gp3Legacy)
        #expect(throws: Never.self) { try limits.specification(sizeGiB: 16_384, iops: 16_000, throughputMiBps: 1_000) }
        for (size, iops, throughput) in [(16_385, 3_000, 125), (1_000, 16_001, 125), (1_000, 16_000, 1_001)] {
            #expect(throws: StorageError.self) {
                try limits.specification(sizeGiB: size, iops: iops, throughputMiBps: throughput)
            }
        }
        let volume = try limits.specification(sizeGiB: 100, iops: nil, throughputMiBps: nil)
        let wish = ModifyVolumeRequest(volumeID: "vol-1", iops: 20_000)
        #expect(throws: StorageError.self) { try volume.modified(by: wish, .gp3Legacy) }
        #expect(try volume.modified(by: wish).iops == 20_000)
        #expect(try VolumeTypeLimits.of(.gp2, .gp3Legacy).sizeGiB == 1...16_384)
    }

    @Test("absurd numbers are refused, not overflowed", arguments: [Int.min, -1, 0, Int.max])
    func absurd(_ number: Int) {
        for type in VolumeTypeLimits.all.map(\.type) {
            #expect(throws: StorageError.self) { try iops(type, 1_000, number) }
            #expect(throws: StorageError.self) { try iops(type, 1_000, 3_000, throughput: number) }
        }
    }

    @Test("gp3's throughput is a quarter of its IOPS at most")
    func throughput() throws {
        #expect(throws: Never.self) { try iops(.gp3, 100, 4_000, throughput: 1_000) }
        let error = #expect(throws: StorageError.self) { try iops(.gp3, 100, 4_000, throughput: 1_001) }
        #expect(error?.message.contains("ratio of 0.250250 is too high; maximum is 0.250000") == true)
    }

    @Test("only io1 and io2 allow Multi-Attach")
    func multiAttach() {
        #expect(VolumeTypeLimits.all.filter(\.allowsMultiAttach).map(\.type) == [.io1, .io2])
    }
}
