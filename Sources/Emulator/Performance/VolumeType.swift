// What each EBS volume type allows: the one table of numbers, and EC2's words for breaking them.
//
// Source of every number, unless a line says otherwise: EBS User Guide, "Amazon EBS volume types" (2026), with
// the CreateVolume reference of the EC2 API; gp3's ceilings are those since 2025-09-26. The texts are EC2's
// answers as captured from the real service.
import Driver

/// The limits of one volume type.
struct VolumeTypeLimits: Sendable {
    let type: VolumeType
    let sizeGiB: ClosedRange<Int>
    let iops: IOPSRule
    let throughput: ThroughputRule
    let allowsMultiAttach: Bool

    /// How a type comes by its IOPS.
    enum IOPSRule: Sendable {
        /// Never given, never reported (st1, sc1, standard).
        case none
        /// Never given; reported as `perGiB` for each GiB, within `range` (gp2).
        case baseline(perGiB: Int, range: ClosedRange<Int>)
        /// `standard` unless given; above that, at most `maximumPerGiB` for each GiB (gp3).
        case optional(standard: Int, range: ClosedRange<Int>, maximumPerGiB: Int)
        /// Must be given (io1, io2).
        case required(range: ClosedRange<Int>, maximumPerGiB: Int)
    }

    /// How a type comes by its throughput in MiB/s.
    enum ThroughputRule: Sendable {
        /// Never given, never reported.
        case none
        /// `standard` unless given; at most one MiB/s for each `iopsPerMiBps` (gp3).
        case optional(standard: Int, range: ClosedRange<Int>, iopsPerMiBps: Int)
    }

    static let all: [VolumeTypeLimits] = [
        VolumeTypeLimits(
            type: .standard, sizeGiB: 1...1_024, iops: .none, throughput: .none, allowsMultiAttach: false),
        VolumeTypeLimits(
            type: .gp2, sizeGiB: 1...16_384, iops: .baseline(perGiB: 3, range: 100...16_000), throughput: .none,
            allowsMultiAttach: false),
        VolumeTypeLimits(
            type: .gp3, sizeGiB: 1...65_536,
            iops: .optional(standard: 3_000, range: 3_000...80_000, maximumPerGiB: 500),
            throughput: .optional(standard: 125, range: 125...2_000, iopsPerMiBps: 4), allowsMultiAttach: false),
        VolumeTypeLimits(
            type: .io1, sizeGiB: 4...16_384, iops: .required(range: 100...64_000, maximumPerGiB: 50),
            throughput: .none, allowsMultiAttach: true),
        VolumeTypeLimits(
            type: .io2, sizeGiB: 4...65_536, iops: .required(range: 100...256_000, maximumPerGiB: 1_000),
            throughput: .none, allowsMultiAttach: true),
        VolumeTypeLimits(
            type: .st1, sizeGiB: 125...16_384, iops: .none, throughput: .none, allowsMultiAttach: false),
        VolumeTypeLimits(
            type: .sc1, sizeGiB: 125...16_384, iops: .none, throughput: .none, allowsMultiAttach: false),
        // Ours, for who wants only the bytes.
        VolumeTypeLimits(
            type: .local, sizeGiB: 1...65_536, iops: .none, throughput: .none, allowsMultiAttach: false),
    ]

    /// gp3 as it was before 2025-09-26, and as it still is on Outposts (EBS User Guide, document history).
    private static let gp3Legacy = VolumeTypeLimits(
        type: .gp3, sizeGiB: 1...16_384,
        iops: .optional(standard: 3_000, range: 3_000...16_000, maximumPerGiB: 500),
        throughput: .optional(standard: 125, range: 125...1_000, iopsPerMiBps: 4), allowsMultiAttach: false)

    /// What CreateVolume makes when the request names no type. (The console's default is gp3.)
    static let defaultType = VolumeType.gp2

    /// Instances that may hold one Multi-Attach volume at once.
    static let multiAttachInstances = 16

    static func of(
        _ type: VolumeType, _ profile: LimitsProfile = .gp3Since2025
    ) throws(StorageError) -> VolumeTypeLimits {
        if type == .gp3, profile == .gp3Legacy { return gp3Legacy }
        guard let limits = all.first(where: { $0.type == type }) else {
            let names = all.map(\.type.name).joined(separator: ", ")
            throw StorageError(
                .unknownVolumeType, "Unsupported volume type '\(type)' for volume creation.",
                advice: "choose one of \(names)")
        }
        return limits
    }
}

/// Which limits hold where AWS has changed them.
public enum LimitsProfile: String, Sendable, Hashable, CaseIterable {
    case gp3Since2025 = "gp3-2025"
    case gp3Legacy = "gp3-legacy"
}

/// What a volume promises: the numbers that its type and the request lead to.
struct VolumeSpecification: Hashable, Sendable {
    var type: VolumeType
    var sizeGiB: Int
    /// As DescribeVolumes reports it: nothing for st1, sc1 and standard.
    var iops: Int?
    /// MiB/s; for gp3 only.
    var throughputMiBps: Int?
}

extension VolumeSpecification {
    /// What a modification leads to, or EC2's refusal. A size cannot be made smaller.
    func modified(
        by request: ModifyVolumeRequest, _ profile: LimitsProfile = .gp3Since2025
    ) throws(StorageError) -> VolumeSpecification {
        let limits = try VolumeTypeLimits.of(request.type ?? type, profile)
        if let wanted = request.sizeGiB, wanted < sizeGiB {
            throw StorageError(
                .invalidParameterValue, "New size cannot be smaller than existing size",
                cause: "it has \(sizeGiB) GiB")
        }
        return try limits.specification(
            sizeGiB: request.sizeGiB ?? sizeGiB, iops: request.iops, throughputMiBps: request.throughputMiBps,
            after: self)
    }
}

extension VolumeTypeLimits {
    /// Checks a request against this type.
    ///
    /// The order is EC2's: parameters that the type does not take come first, then size, IOPS and throughput;
    /// a limit comes before its ratio.
    func specification(
        sizeGiB: Int, iops: Int?, throughputMiBps: Int?
    ) throws(StorageError) -> VolumeSpecification {
        try checkParametersApply(iops: iops, throughputMiBps: throughputMiBps)
        try checkSize(sizeGiB)
        let iops = try checkedIOPS(iops, sizeGiB: sizeGiB)
        let throughputMiBps = try checkedThroughput(throughputMiBps, iops: iops)
        return VolumeSpecification(
            type: type, sizeGiB: sizeGiB, iops: iops, throughputMiBps: throughputMiBps)
    }

    /// What the others are after a modification that gives them no number. IOPS and throughput are kept while the
    /// type is; a type that is new begins with its standard, and gp3 after gp2 with no less than that had.
    ///
    /// Source: ModifyVolume in the EC2 API's reference; EBS User Guide, "Modify a volume" (2026).
    fileprivate func specification(
        sizeGiB: Int, iops: Int?, throughputMiBps: Int?, after former: VolumeSpecification
    ) throws(StorageError) -> VolumeSpecification {
        try specification(
            sizeGiB: sizeGiB, iops: iops ?? self.iops(after: former),
            throughputMiBps: throughputMiBps ?? self.throughputMiBps(after: former))
    }

    private static let iopsAfterChangeOfType = 3_000

    private func iops(after former: VolumeSpecification) -> Int? {
        switch iops {
        case .none, .baseline: nil
        case .optional where former.type == .gp2: max(Self.iopsAfterChangeOfType, former.iops ?? 0)
        case .optional, .required: former.type == type ? former.iops : Self.iopsAfterChangeOfType
        }
    }

    private func throughputMiBps(after former: VolumeSpecification) -> Int? {
        guard case .optional(let standard, _, _) = throughput else { return nil }
        if former.type == type { return former.throughputMiBps }
        guard former.type == .gp2, let limits = PerformanceLimits(former) else { return standard }
        return max(standard, Int(limits.bytesPerSecond >> 20))
    }

    private func checkParametersApply(iops: Int?, throughputMiBps: Int?) throws(StorageError) {
        switch self.iops {
        case .none, .baseline:
            guard iops == nil else {
                throw StorageError(
                    .invalidParameterCombination, "The parameter iops is not supported for \(type) volumes.")
            }
        case .required:
            guard iops != nil else {
                throw StorageError(
                    .invalidParameterCombination, "The parameter iops must be specified for \(type) volumes.")
            }
        case .optional: break
        }
        if case .none = throughput, throughputMiBps != nil {
            throw StorageError(
                .invalidParameterCombination,
                "The throughput parameter is not supported for \(type) volumes.")
        }
    }

    private func checkSize(_ sizeGiB: Int) throws(StorageError) {
        guard sizeGiB >= self.sizeGiB.lowerBound else {
            throw StorageError(
                .invalidParameterValue,
                """
                The volume size is invalid for \(type) volumes: \(sizeGiB) GiB. \(type) volumes must be at least \
                \(self.sizeGiB.lowerBound) GiB in size. Please specify a volume size above the minimum limit.
                """)
        }
        guard sizeGiB <= self.sizeGiB.upperBound else {
            if type == .io2 { throw Self.beyondBlockExpress }
            throw StorageError(
                .invalidParameterValue,
                """
                Volume of \(sizeGiB)GiB is too large for volume type \(type); maximum is \
                \(self.sizeGiB.upperBound)GiB
                """)
        }
    }

    private func checkedIOPS(_ given: Int?, sizeGiB: Int) throws(StorageError) -> Int? {
        switch iops {
        case .none:
            return nil
        case .baseline(let perGiB, let range):
            return min(range.upperBound, max(range.lowerBound, perGiB * sizeGiB))
        case .optional(let standard, let range, let maximumPerGiB):
            let value = given ?? standard
            try checkRange(value, range)
            // The standard IOPS come with every size; only what is bought on top is bound to the size.
            if value > standard { try checkRatio(value, sizeGiB: sizeGiB, maximumPerGiB: maximumPerGiB) }
            return value
        case .required(let range, let maximumPerGiB):
            let value = given ?? range.lowerBound
            try checkRange(value, range)
            try checkRatio(value, sizeGiB: sizeGiB, maximumPerGiB: maximumPerGiB)
            return value
        }
    }

    private func checkRange(_ iops: Int, _ range: ClosedRange<Int>) throws(StorageError) {
        guard iops >= range.lowerBound else {
            throw StorageError(
                .invalidParameterValue, "Volume iops of \(iops) is too low; minimum is \(range.lowerBound).")
        }
        guard iops <= range.upperBound else {
            if type == .io2 { throw Self.beyondBlockExpress }
            throw StorageError(
                .invalidParameterValue, "Volume iops of \(iops) is too high; maximum is \(range.upperBound).")
        }
    }

    private func checkRatio(_ iops: Int, sizeGiB: Int, maximumPerGiB: Int) throws(StorageError) {
        guard iops > maximumPerGiB * sizeGiB else { return }
        if type == .io2 { throw Self.beyondBlockExpress }
        throw StorageError(
            .invalidParameterValue,
            """
            Iops to volume size ratio of \(sixDecimals(iops, over: sizeGiB)) is too high; maximum is \
            \(maximumPerGiB)
            """)
    }

    private func checkedThroughput(_ given: Int?, iops: Int?) throws(StorageError) -> Int? {
        guard case .optional(let standard, let range, let iopsPerMiBps) = throughput else { return nil }
        let value = given ?? standard
        guard value >= range.lowerBound else {
            throw StorageError(
                .invalidParameterValue,
                "Volume throughput of \(value) is too low; minimum is \(range.lowerBound).")
        }
        guard value <= range.upperBound else {
            throw StorageError(
                .invalidParameterValue,
                "Volume throughput of \(value) is too high; maximum is \(range.upperBound).")
        }
        if let iops, value * iopsPerMiBps > iops {
            throw StorageError(
                .invalidParameterValue,
                """
                Throughput (MiBps) to iops ratio of \(sixDecimals(value, over: iops)) is too high; maximum is \
                \(sixDecimals(1, over: iopsPerMiBps)) MiBps per iops
                """)
        }
        return value
    }

    /// EC2 answers every breach of io2's upper limits with one text.
    private static let beyondBlockExpress = StorageError(
        .invalidParameterCombination,
        "io2 volumes configured with greater than 64 TiB or 256K IOPS or 1000:1 IOPS:GB ratio are not supported")
}

/// A quotient as C's `%f` prints it, without floating point.
private func sixDecimals(_ numerator: Int, over denominator: Int) -> String {
    let (whole, rest) = numerator.quotientAndRemainder(dividingBy: denominator)
    let millionths = (rest * 1_000_000 + denominator / 2) / denominator
    let carried = whole + millionths / 1_000_000
    let digits = String(millionths % 1_000_000)
    return "\(carried)." + String(repeating: "0", count: 6 - digits.count) + digits
}
