// A modification's life as a pure state machine: an event in, the next state or a refusal out.
//
//     modifying → optimizing → completed
//         ↓
//       failed
//
// The catalog keeps what was decided and when: that a modification was begun, took effect, or failed. What else
// there is (that it is due, still optimizing, completed) follows from the time when it is asked for, so that
// neither a restart nor a lost task can leave one half way.
//
// Source: EBS User Guide, "Modify a volume" (2026): the new size and performance hold from `optimizing` on, a volume
// of 1 TiB optimizes for about 6 hours.
import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// How long modifications take, and how many there may be.
public struct ModificationPolicy: Sendable, Hashable {
    /// From the request until the change is in effect.
    public var modifying: Duration
    /// From then until it is completed.
    public var optimizing: Duration
    public var rate: Rate

    public init(modifying: Duration = .seconds(1), optimizing: Duration = .seconds(5), rate: Rate = .fourADay) {
        self.modifying = modifying
        self.optimizing = optimizing
        self.rate = rate
    }

    /// How often a volume may be modified.
    public enum Rate: String, Sendable, Hashable, CaseIterable {
        /// Four times in any 24 hours: EC2's rule since 2026-01-15.
        case fourADay = "four-a-day"
        /// Six hours after the last one was completed: EC2's rule before.
        case sixHours = "six-hours"
        /// As often as one likes, one after another.
        case none
    }
}

enum ModificationLifecycle {
    /// What the catalog keeps.
    enum State: String, Sendable, CaseIterable {
        case pending
        case effective
        case failed
    }

    enum Event: Sendable {
        /// Bytes and rows are as the target says.
        case tookEffect(at: Date)
        case failed(at: Date, reason: String)
    }
}

/// One modification of a volume.
struct ModificationRecord: Hashable, Sendable {
    let number: ModificationNumber
    let volume: VolumeNumber
    let original: VolumeModification.Configuration
    let target: VolumeModification.Configuration
    let startTime: Date
    /// As the policy was at the start: a change of it does not change what has been begun.
    let modifyingMilliseconds: Int64
    let optimizingMilliseconds: Int64
    var state = ModificationLifecycle.State.pending
    /// When it took effect or failed.
    var outcomeTime: Date?
    var failure: String?

    /// Moves on, or refuses and changes nothing.
    mutating func apply(_ event: ModificationLifecycle.Event) throws(StorageError) {
        guard state == .pending else {
            throw StorageError(.incorrectState, "A modification that is \(state.rawValue) cannot change any more.")
        }
        switch event {
        case .tookEffect(let time):
            (state, outcomeTime) = (.effective, time)
        case .failed(let time, let reason):
            (state, outcomeTime, failure) = (.failed, time, reason)
        }
    }

    /// When it is to take effect.
    var dueTime: Date { startTime.adding(milliseconds: modifyingMilliseconds) }

    func isDue(at time: Date) -> Bool { state == .pending && dueTime <= time }

    /// What EC2 calls its state.
    func reportedState(at time: Date) -> VolumeModification.State {
        switch state {
        case .pending: .modifying
        case .failed: .failed
        case .effective: completionTime.map { $0 <= time } ?? false ? .completed : .optimizing
        }
    }

    /// When it is completed, once that is known.
    private var completionTime: Date? {
        state == .effective ? outcomeTime?.adding(milliseconds: optimizingMilliseconds) : nil
    }

    /// When it was completed or failed; `nil` before.
    func endTime(at time: Date) -> Date? {
        switch reportedState(at: time) {
        case .modifying, .optimizing: nil
        case .completed: completionTime
        case .failed: outcomeTime
        }
    }

    /// Percent.
    func progress(at time: Date) -> Int {
        switch reportedState(at: time) {
        case .modifying, .failed: 0
        case .completed: 100
        case .optimizing:
            // A clock that was set back has done nothing.
            Int(max(0, time.milliseconds - (outcomeTime ?? time).milliseconds) * 100 / max(1, optimizingMilliseconds))
        }
    }
}

extension VolumeRecord {
    /// What a modification can change, as it is now.
    var configuration: VolumeModification.Configuration {
        VolumeModification.Configuration(
            sizeGiB: specification.sizeGiB, type: specification.type, iops: specification.iops,
            throughputMiBps: specification.throughputMiBps, isMultiAttachEnabled: isMultiAttachEnabled)
    }

    /// The one that has neither taken effect nor failed.
    var pendingModification: ModificationRecord? { modifications.last.flatMap { $0.state == .pending ? $0 : nil } }

    /// Whether a file of this size can be this volume's: one that is growing has a size between the two.
    func canHave(sizeBytes: Int64) -> Bool {
        guard let pendingModification else { return sizeBytes == self.sizeBytes }
        return (self.sizeBytes...pendingModification.target.sizeBytes).contains(sizeBytes)
    }

    /// Adds a modification; gives those that nobody asks for any more.
    mutating func begin(_ modification: ModificationRecord) -> [ModificationNumber] {
        let isOld = { (record: ModificationRecord) in
            record.startTime.adding(milliseconds: ModificationPolicy.dayMilliseconds) <= modification.startTime
        }
        let forgotten = modifications.filter(isOld).map(\.number)
        modifications.removeAll(where: isOld)
        modifications.append(modification)
        return forgotten
    }

    /// Moves the pending modification on; one that takes effect changes the volume.
    mutating func apply(_ event: ModificationLifecycle.Event) throws(StorageError) {
        guard var modification = modifications.popLast() else { throw .modificationNotFound(id) }
        defer { modifications.append(modification) }
        try modification.apply(event)
        if case .tookEffect = event {
            specification = VolumeSpecification(modification.target)
            isMultiAttachEnabled = modification.target.isMultiAttachEnabled
        }
    }

    /// Refuses a further modification while one runs, and when there were too many lately.
    func checkModifiable(at time: Date, _ rate: ModificationPolicy.Rate) throws(StorageError) {
        guard let last = modifications.last else { return }
        let state = last.reportedState(at: time)
        guard state == .completed || state == .failed else { throw .modificationRuns(id, state) }
        guard let free = nextModificationTime(at: time, rate), free > time else { return }
        throw .modificationRate(until: free)
    }

    /// When the rate allows the next one; `nil` for at any time.
    private func nextModificationTime(at time: Date, _ rate: ModificationPolicy.Rate) -> Date? {
        switch rate {
        case .none: return nil
        case .sixHours:
            return modifications.last?.endTime(at: time)?.adding(milliseconds: ModificationPolicy.dayMilliseconds / 4)
        case .fourADay:
            let lastFour = modifications.suffix(ModificationPolicy.modificationsPerDay)
            guard lastFour.count == ModificationPolicy.modificationsPerDay else { return nil }
            return lastFour.first?.startTime.adding(milliseconds: ModificationPolicy.dayMilliseconds)
        }
    }
}

extension ModificationPolicy {
    static let modificationsPerDay = 4
    static let dayMilliseconds: Int64 = 24 * 3_600_000
}

extension VolumeSpecification {
    init(_ configuration: VolumeModification.Configuration) {
        self.init(
            type: configuration.type, sizeGiB: configuration.sizeGiB, iops: configuration.iops,
            throughputMiBps: configuration.throughputMiBps)
    }
}

extension VolumeModification.Configuration {
    var sizeBytes: Int64 { Int64(sizeGiB) << 30 }
}

extension Date {
    func adding(milliseconds more: Int64) -> Date { Date(milliseconds: milliseconds + more) }
}
