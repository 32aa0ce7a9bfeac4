// What a volume may do, as it follows from its type, size and settings: the numbers that its model runs on.
//
// Source, unless a line says otherwise: EBS User Guide, "Amazon EBS volume types", "General Purpose SSD volumes",
// "Provisioned IOPS SSD volumes", "Throughput Optimized HDD and Cold HDD volumes" and "Amazon EBS I/O
// characteristics" (2026). What AWS does not tell is marked "ours".
import Driver

/// A volume's limits.
struct PerformanceLimits: Hashable, Sendable {
    /// I/Os a second that are never exceeded.
    var operationsPerSecond: Int64
    /// Bytes a second that are never exceeded.
    var bytesPerSecond: Int64
    /// What is allowed in the long run, where that is less.
    var credits: Credits?
    var traits: PerformanceTraits

    struct Credits: Hashable, Sendable {
        enum Currency: String, Hashable, Sendable {
            case operations
            case bytes
        }

        var currency: Currency
        var capacity: Int64
        /// What comes in all the time: the baseline.
        var fillPerSecond: Int64
        /// The part of `bytesPerSecond` that holds while there are no credits, in thousandths.
        var bytesPermilleWhenEmpty: Int64 = 1_000
    }
}

/// How a type counts and answers, whatever a volume's size.
struct PerformanceTraits: Hashable, Sendable {
    /// The longest I/O that counts as one.
    var unitBytes: Int64
    /// Whether an I/O is charged a whole unit of throughput, however short it is.
    var chargesWholeUnits = false
    /// Requests shorter than this are never merged.
    var smallestMergedBytes: Int64 = 0
    /// How many sequential runs are known at a time: as many as there are streams side by side, and requests out of
    /// order, on a busy volume.
    var rememberedRuns = 8
    /// Of requests that continue another.
    var sequentialLatency: LatencyDistribution
    /// Of all others.
    var randomLatency: LatencyDistribution
    /// In how many of 1,000 seconds less than 90 % of what is provisioned may be delivered.
    var shortSecondsPermille: UInt64

    static func solidState(latency: LatencyDistribution, shortSecondsPermille: UInt64 = 10) -> Self {
        Self(
            unitBytes: 256 << 10, sequentialLatency: latency, randomLatency: latency,
            shortSecondsPermille: shortSecondsPermille)
    }

    /// The kernel's block layer passes a long request on in pieces, which have to be counted together: it needs one
    /// run for each request that a loop device's queue takes (`nr_requests`, 128). On SSD a piece is whole units.
    ///
    /// "Sequential I/O of more than 32 KiB merges to 1 MiB; smaller or random I/O takes a whole token" (AWS
    /// re:Post, 2020).
    static func hardDisk(sequential: LatencyDistribution, random: LatencyDistribution) -> Self {
        Self(
            unitBytes: 1 << 20, chargesWholeUnits: true, smallestMergedBytes: (32 << 10) + 1,
            rememberedRuns: 128, sequentialLatency: sequential, randomLatency: random, shortSecondsPermille: 10)
    }
}

extension PerformanceLimits {
    /// The limits of a volume; nothing for a type that has none.
    init?(_ volume: VolumeSpecification) {
        switch volume.type {
        case .gp3: self = .gp3(iops: volume.iops ?? 3_000, throughputMiBps: volume.throughputMiBps ?? 125)
        case .gp2: self = .gp2(sizeGiB: volume.sizeGiB, baseline: Int64(volume.iops ?? 100))
        case .io1: self = .io1(iops: Int64(volume.iops ?? 100))
        case .io2: self = .io2(iops: Int64(volume.iops ?? 100))
        case .st1:
            self = .hardDisk(
                volume.sizeGiB, operations: 500, baseMiBpsPerTiB: 40, burstMiBpsPerTiB: 250, baseMaximumMiBps: 500,
                burstMaximumMiBps: 500, traits: .hardDisk(sequential: .st1Sequential, random: .st1Random))
        case .sc1:
            self = .hardDisk(
                volume.sizeGiB, operations: 250, baseMiBpsPerTiB: 12, burstMiBpsPerTiB: 80, baseMaximumMiBps: 192,
                burstMaximumMiBps: 250, traits: .hardDisk(sequential: .sc1Sequential, random: .sc1Random))
        case .standard: self = .magnetic
        default: return nil
        }
    }

    private static func gp3(iops: Int, throughputMiBps: Int) -> Self {
        Self(
            operationsPerSecond: Int64(iops), bytesPerSecond: Int64(throughputMiBps) << 20,
            traits: .solidState(latency: .generalPurpose))
    }

    /// Bursts to 3,000 IOPS on 5.4 million credits, up to 1,000 GiB. 128 MiB/s up to 170 GiB, 250 from 334 GiB on;
    /// between them 250 while there are credits.
    private static func gp2(sizeGiB: Int, baseline: Int64) -> Self {
        var limits = Self(
            operationsPerSecond: max(baseline, 3_000), bytesPerSecond: (sizeGiB <= 170 ? 128 : 250) << 20,
            traits: .solidState(latency: .generalPurpose))
        if baseline < 3_000 {
            limits.credits = Credits(
                currency: .operations, capacity: 5_400_000, fillPerSecond: baseline,
                // 128 of 250.
                bytesPermilleWhenEmpty: 170 < sizeGiB && sizeGiB < 334 ? 512 : 1_000)
        }
        return limits
    }

    /// Up to 32,000 IOPS 256 KiB for each and 500 MiB/s in all; beyond, 16 KiB for each.
    private static func io1(iops: Int64) -> Self {
        let bytes = iops <= 32_000 ? min(iops * 256 << 10, 500 << 20) : iops * 16 << 10
        return Self(
            operationsPerSecond: iops, bytesPerSecond: bytes,
            traits: .solidState(latency: .provisionedIOPS, shortSecondsPermille: 1))
    }

    private static func io2(iops: Int64) -> Self {
        Self(
            operationsPerSecond: iops, bytesPerSecond: min(iops * 256 << 10, 4_000 << 20),
            traits: .solidState(latency: .blockExpress, shortSecondsPermille: 1))
    }

    /// Throughput credits of a TiB for each TiB; none where the baseline has reached the burst.
    private static func hardDisk(
        _ sizeGiB: Int, operations: Int64, baseMiBpsPerTiB: Int64, burstMiBpsPerTiB: Int64, baseMaximumMiBps: Int64,
        burstMaximumMiBps: Int64, traits: PerformanceTraits
    ) -> Self {
        // MiB/s for each TiB are KiB/s for each GiB.
        let base = min(Int64(sizeGiB) * baseMiBpsPerTiB << 10, baseMaximumMiBps << 20)
        let burst = min(Int64(sizeGiB) * burstMiBpsPerTiB << 10, burstMaximumMiBps << 20)
        var limits = Self(operationsPerSecond: operations, bytesPerSecond: burst, traits: traits)
        if base < burst {
            limits.credits = Credits(currency: .bytes, capacity: Int64(sizeGiB) << 30, fillPerSecond: base)
        }
        return limits
    }

    /// "About 100 IOPS on average, bursts of hundreds; 40 to 90 MiB/s". Ours: 200 at the most, for 30 seconds.
    private static let magnetic = Self(
        operationsPerSecond: 200, bytesPerSecond: 90 << 20,
        credits: Credits(currency: .operations, capacity: 3_000, fillPerSecond: 100),
        traits: PerformanceTraits(
            unitBytes: 256 << 10, sequentialLatency: .magneticSequential, randomLatency: .magneticRandom,
            shortSecondsPermille: 10))
}

extension LatencyDistribution {
    /// gp2 and gp3, "single-digit milliseconds". As measured on a gp3 at 1,000 IOPS of 4 KiB reads (published
    /// 2026-03): 597 µs on average; 26 % up to 512 µs, 99 % up to about 1 ms, one in 20,000 over 4 ms.
    static let generalPurpose = LatencyDistribution([
        (0, 300), (260_000, 512), (500_000, 570), (900_000, 740), (990_000, 1_050), (998_900, 2_000),
        (999_950, 4_000), (1_000_000, 8_000),
    ])
    /// io1, "single-digit milliseconds". Ours: a little under General Purpose.
    static let provisionedIOPS = LatencyDistribution([
        (0, 250), (500_000, 500), (900_000, 650), (990_000, 950), (999_000, 2_000), (1_000_000, 8_000),
    ])
    /// io2: under 500 µs on average at 16 KiB, over 800 µs ten times rarer than General Purpose.
    static let blockExpress = LatencyDistribution([
        (0, 200), (500_000, 330), (900_000, 450), (991_700, 800), (999_000, 1_200), (1_000_000, 4_000),
    ])
    /// Ours: four MiB in flight carry 500 MiB/s, as the User Guide asks for on HDD.
    static let st1Sequential = LatencyDistribution([
        (0, 3_000), (500_000, 6_000), (900_000, 8_000), (990_000, 15_000), (1_000_000, 40_000),
    ])
    /// Ours: "tens of milliseconds" for random I/O on HDD.
    static let st1Random = LatencyDistribution([
        (0, 5_000), (500_000, 14_000), (900_000, 24_000), (990_000, 50_000), (1_000_000, 120_000),
    ])
    /// Ours.
    static let sc1Sequential = LatencyDistribution([
        (0, 4_000), (500_000, 8_000), (900_000, 12_000), (990_000, 25_000), (1_000_000, 60_000),
    ])
    /// Ours.
    static let sc1Random = LatencyDistribution([
        (0, 8_000), (500_000, 20_000), (900_000, 35_000), (990_000, 70_000), (1_000_000, 150_000),
    ])
    /// Ours: a disk that need not move its arm.
    static let magneticSequential = LatencyDistribution([
        (0, 500), (500_000, 1_000), (900_000, 4_000), (990_000, 12_000), (1_000_000, 40_000),
    ])
    /// Ours: 10 to 40 ms, as magnetic volumes are known for.
    static let magneticRandom = LatencyDistribution([
        (0, 4_000), (500_000, 10_000), (900_000, 25_000), (990_000, 40_000), (1_000_000, 120_000),
    ])
}
