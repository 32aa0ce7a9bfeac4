import Driver

/// What was found of one load, and what is to be thought of it; pure.
struct CertificateRow: Equatable {
    enum Verdict: Equatable {
        case pass
        case fail
        /// This machine cannot carry it, so nothing can be said.
        case machine
        /// This machine is too busy to be punctual, and so may be what was measured.
        case busy
        /// Too few requests for a median, or for a rate.
        case tooShort
    }

    /// Whether a rate is within this of what EBS would give, in either direction.
    static let rateTolerance = 0.005
    static let medianTolerance = 0.05
    static let percentile99ToleranceNanoseconds: Int64 = 500_000
    /// Below this the chance in a median is more than a tolerance; below the other, that in a 99th percentile.
    static let requestsForMedian = 1_000
    static let requestsForPercentile99 = 5_000
    /// What a measured time may cut off at its two ends. Where that is more than the rate's tolerance, it decides nothing.
    static let requestsAtEnds = 2.0
    /// A machine that carries less than this much more than EBS would give is measured itself.
    static let headroom = 1.1

    let shape: LoadShape
    let expected: ExpectedRate
    var given: LoadResult
    /// What this machine carries without a model: I/Os a second.
    let machineOperationsPerSecond: Double

    /// How far the rate is off, as a share of what was expected.
    var rateError: Double { given.operationsPerSecond / expected.operationsPerSecond - 1 }

    var medianError: Double? {
        given.quantile(0.5).map { Double($0) / Double(expected.latency.medianNanoseconds) - 1 }
    }

    var percentile99ErrorNanoseconds: Int64? {
        given.quantile(0.99).map { $0 - expected.latency.percentile99Nanoseconds }
    }

    /// Whether the 99th percentile takes part in the verdict.
    var judgesPercentile99: Bool {
        expected.bound == .latency && given.latencies.count >= Self.requestsForPercentile99
    }

    var verdict: Verdict {
        if machineOperationsPerSecond < expected.operationsPerSecond * Self.headroom { return .machine }
        let verdict = plainVerdict
        return verdict == .fail && isMachineLate ? .busy : verdict
    }

    private var isMachineLate: Bool { lateness != nil }

    /// How this machine is late by itself, in words: more often than an answer may be, or once for longer than a rate may
    /// lack; `nil` when it is not.
    var lateness: String? {
        if let delay = given.timerPercentile99, delay > Self.percentile99ToleranceNanoseconds {
            return "is \(Figures.milliseconds(Double(delay))) late at the 99th percentile"
        }
        if let delay = given.timerDelays.last, Double(delay) > Self.rateTolerance * given.seconds * 1e9 {
            return "was late by \(Figures.milliseconds(Double(delay))) once"
        }
        return nil
    }

    private var rateVerdict: Verdict {
        if abs(rateError) <= Self.rateTolerance { return .pass }
        let requestsOff = abs(Double(given.latencies.count) - expected.operationsPerSecond * given.seconds)
        return requestsOff <= Self.requestsAtEnds ? .tooShort : .fail
    }

    /// How long the load has to be measured for a verdict, at the rate that was given if that is the lower one.
    var secondsNeeded: Double {
        let isRate = expected.bound != .latency
        let requests = isRate ? Self.requestsAtEnds / Self.rateTolerance : Double(Self.requestsForMedian)
        return requests / min(expected.operationsPerSecond, max(1, Double(given.latencies.count)) / given.seconds)
    }

    private var plainVerdict: Verdict {
        guard expected.bound == .latency else { return rateVerdict }
        guard given.latencies.count >= Self.requestsForMedian, let medianError else { return .tooShort }
        if abs(medianError) > Self.medianTolerance { return .fail }
        if judgesPercentile99, let error = percentile99ErrorNanoseconds,
            abs(error) > Self.percentile99ToleranceNanoseconds
        {
            return .fail
        }
        return .pass
    }
}

/// How true a volume is to EBS; pure.
struct Certificate: Equatable {
    let volume: Volume
    let path: String
    let secondsPerLoad: Double
    let rows: [CertificateRow]

    var isCertified: Bool { !rows.isEmpty && rows.allSatisfy { $0.verdict == .pass } }

    /// The verdict in words.
    var conclusion: String {
        let judged = rows.count { $0.verdict == .pass }
        let name = volume.name.isEmpty ? volume.id.rawValue : volume.name
        if isCertified { return "Certified: \(name) gives what EBS would, in all \(rows.count) loads." }
        var reasons: [String] = []
        let failed = rows.count { $0.verdict == .fail }
        if failed > 0 { reasons.append("\(failed) of \(rows.count) loads were given something else") }
        if let short = rows.first(where: { $0.verdict == .machine }) {
            let most = Figures.decimal(short.machineOperationsPerSecond, places: 0)
            reasons.append(
                "this machine cannot carry \(short.shape.description): it carries \(most) IOPS, and would have to carry "
                    + "\(Figures.decimal(short.expected.operationsPerSecond * CertificateRow.headroom, places: 0))")
        }
        if let late = rows.first(where: { $0.verdict == .busy }), let lateness = late.lateness {
            reasons.append("this machine is too busy for \(late.shape.description): a bare timer \(lateness)")
        }
        let tooShort = rows.filter { $0.verdict == .tooShort }
        if let short = tooShort.max(by: { $0.secondsNeeded < $1.secondsNeeded }) {
            reasons.append(
                "\(Figures.decimal(secondsPerLoad, places: 0)) s are too short for \(short.shape.description): use "
                    + "--seconds \(Figures.decimal((short.secondsNeeded * 1.1).rounded(.up), places: 0))")
        }
        return "Not certified: " + reasons.joined(separator: "; ") + ". \(judged) of \(rows.count) loads passed."
    }

    /// What a pass means.
    var tolerances: String {
        "Each load was measured for \(Figures.decimal(secondsPerLoad, places: 0)) s. Where a limit decides, the rate is "
            + "within 0.5 % of it; where the latency does, the median is within 5 % and the 99th percentile, if there were "
            + "\(Figures.integer(Int64(CertificateRow.requestsForPercentile99))) requests, within 0.5 ms."
    }
}
