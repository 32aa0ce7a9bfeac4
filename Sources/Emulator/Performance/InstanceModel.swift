// What an instance may do with all its volumes together: the second stage, after each volume's own limits.

/// The limits of an instance type's EBS connection.
///
/// Source: EC2 User Guide, "Amazon EBS-optimized instances" (2023): baseline and maximum, throughput at 128 KiB and
/// IOPS at 16 KiB. Types whose maximum lasts "30 minutes at least once every 24 hours" have credits for it.
public struct InstanceType: Hashable, Sendable {
    public let name: String
    let operationsPerSecond: ClosedRange<Int64>
    /// From the table's Mbit/s.
    let bytesPerSecond: ClosedRange<Int64>

    private init(_ name: String, megabits: ClosedRange<Int64>, operationsPerSecond: ClosedRange<Int64>) {
        self.name = name
        self.operationsPerSecond = operationsPerSecond
        bytesPerSecond = (megabits.lowerBound * 125_000)...(megabits.upperBound * 125_000)
    }

    public static let all = [
        InstanceType("m5.large", megabits: 650...4_750, operationsPerSecond: 3_600...18_750),
        InstanceType("m5.xlarge", megabits: 1_150...4_750, operationsPerSecond: 6_000...18_750),
        InstanceType("m5.4xlarge", megabits: 4_750...4_750, operationsPerSecond: 18_750...18_750),
        InstanceType("m5.24xlarge", megabits: 19_000...19_000, operationsPerSecond: 80_000...80_000),
        InstanceType("m6i.large", megabits: 650...10_000, operationsPerSecond: 3_600...40_000),
    ]

    public static func named(_ name: String) -> InstanceType? {
        all.first { $0.name == name }
    }
}

/// An instance's share of time: I/Os come in the order in which volumes dispatch them.
struct InstanceModel: Hashable, Sendable {
    private static let burstSeconds: Int64 = 30 * 60

    let type: InstanceType
    private var operations: Meter
    private var bytes: Meter
    private var lastDispatch: Nanoseconds

    /// One of the two limits: the maximum, and the credits that last for it.
    private struct Meter: Hashable, Sendable {
        var pace: Pace
        var bucket: CreditBucket?

        init(_ range: ClosedRange<Int64>, at start: Nanoseconds) {
            pace = Pace(perSecond: range.upperBound, since: start)
            let capacity = (range.upperBound - range.lowerBound) * InstanceModel.burstSeconds
            if capacity > 0 {
                bucket = CreditBucket(
                    capacity: capacity, fillPerSecond: range.lowerBound, balance: capacity, at: start)
            }
        }

        func earliest(_ units: Int64) -> Nanoseconds {
            max(pace.next - VolumeModel.allowance, bucket?.earliest(spending: units) ?? .min)
        }

        mutating func pass(_ units: Int64, at time: Nanoseconds) {
            pace.pass(units, at: time)
            bucket?.spend(units, at: time)
        }
    }

    init(_ type: InstanceType, at start: Nanoseconds) {
        self.type = type
        operations = Meter(type.operationsPerSecond, at: start)
        bytes = Meter(type.bytesPerSecond, at: start)
        lastDispatch = start
    }

    /// When the instance lets an I/O through that a volume has dispatched. Called in the order of those times.
    mutating func admit(units: Int64, bytes count: Int64, at dispatch: Nanoseconds) -> Nanoseconds {
        let time = max(dispatch, lastDispatch, operations.earliest(units), bytes.earliest(count))
        operations.pass(units, at: time)
        bytes.pass(count, at: time)
        lastDispatch = time
        return time
    }

    /// What is left of the burst: the smaller share, of 1,000; `nil` where there is none.
    func balancePermille(at time: Nanoseconds) -> (operations: Int64, bytes: Int64)? {
        guard let first = operations.bucket, let second = bytes.bucket else { return nil }
        return (
            first.balance(at: time) * 1_000 / first.capacity, second.balance(at: time) * 1_000 / second.capacity
        )
    }
}
