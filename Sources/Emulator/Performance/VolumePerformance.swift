// A volume's model at work: what its attachments and threads share.
import Platform
import Synchronization

/// How a volume is to perform.
struct PerformancePlan: Hashable, Sendable {
    var limits: PerformanceLimits
    /// Makes the volume's latencies; the same seed makes the same ones.
    var seed: UInt64
    /// Whether some seconds fall short, as AWS's promise allows.
    var fallsShort = false
    /// What is in the credit bucket; `nil` for a full one.
    var credits: Int64?
}

/// One I/O on its way.
struct IOInProgress: Hashable, Sendable {
    let io: VolumeIO
    let arrival: Nanoseconds
    /// When the volume has dispatched it.
    var dispatch: Nanoseconds
    /// What it takes from then on, as the instance measures it.
    let service: Nanoseconds
    /// What of that passes until it is answered: the rest is its way to the instance.
    var delay: Nanoseconds
    let units: Int64
}

/// The performance of one volume: takes I/Os in, says when they are due, and counts them.
///
/// The lock is held for arithmetic and the vDSO's clock, never over a system call.
final class VolumePerformance: Sendable {
    private struct State: Sendable {
        /// Without one the volume answers as fast as it can.
        var model: VolumeModel?
        var statistics = IOStatistics()
        var way = WayEstimate()
        /// When the last I/O was answered.
        var lastEnd: Nanoseconds?

        /// What is to happen here of a modelled latency.
        mutating func delay(for latency: Nanoseconds, at now: Nanoseconds) -> Nanoseconds {
            if statistics.inFlight == 0, let lastEnd { way.take(pause: now - lastEnd) }
            return max(0, latency - way.nanoseconds)
        }
    }

    private let clock: any Clock
    private let state: BargingMutex<State>
    private let start: Nanoseconds

    init(_ plan: PerformancePlan?, clock: any Clock) {
        self.clock = clock
        let now = clock.uptimeNanoseconds()
        start = now
        state = BargingMutex(State(model: plan.map { VolumeModel($0, at: now) }))
    }

    /// Takes in an I/O, which `end` must follow.
    func begin(_ io: VolumeIO) -> IOInProgress {
        state.withLock { state in
            // Inside, so that I/Os are in the order of their times.
            let now = clock.uptimeNanoseconds()
            guard let admission = state.model?.admit(io, at: now) else {
                state.statistics.begin(units: 1, service: 0, at: now)
                return IOInProgress(io: io, arrival: now, dispatch: now, service: 0, delay: 0, units: 1)
            }
            let delay = state.delay(for: admission.service, at: now)
            state.statistics.begin(units: admission.units, service: admission.service, at: now)
            if let limit = admission.heldBack {
                state.statistics.wait(for: limit, from: now, until: admission.dispatch)
            }
            return IOInProgress(
                io: io, arrival: now, dispatch: admission.dispatch, service: admission.service,
                delay: delay, units: admission.units)
        }
    }

    /// An I/O is answered, or has failed.
    func end(_ progress: IOInProgress) {
        state.withLock { state in
            let now = clock.uptimeNanoseconds()
            state.statistics.end(progress.io, arrived: progress.arrival, at: now)
            state.lastEnd = now
        }
    }

    /// The instance held an I/O back.
    func wait(for limit: Limit, from start: Nanoseconds, until end: Nanoseconds) {
        state.withLock { $0.statistics.wait(for: limit, from: start, until: end) }
    }

    /// Goes on under new limits: with the credits of the old ones if they are of the same kind, unless the plan says
    /// how many there are.
    func follow(_ plan: PerformancePlan?) {
        state.withLock { state in
            guard plan?.limits != state.model?.limits else { return }
            let now = clock.uptimeNanoseconds()
            guard var plan else {
                state.model = nil
                return
            }
            if plan.credits == nil, plan.limits.credits?.currency == state.model?.limits.credits?.currency {
                plan.credits = state.model?.credits(at: now)
            }
            state.model = VolumeModel(plan, at: now)
        }
    }

    /// What is in the credit bucket now; `nil` for a volume that has none.
    var credits: Int64? {
        state.withLock { $0.model?.credits(at: clock.uptimeNanoseconds()) }
    }

    var limits: PerformanceLimits? { state.withLock { $0.model?.limits } }

    var statistics: IOStatistics { state.withLock { $0.statistics } }

    /// All of it at one moment.
    var report: PerformanceReport {
        state.withLock { state in
            let now = clock.uptimeNanoseconds()
            return PerformanceReport(
                time: now, start: start, statistics: state.statistics, limits: state.model?.limits,
                fallsShort: state.model?.fallsShort ?? false, credits: state.model?.credits(at: now))
        }
    }
}

extension VolumeModel {
    fileprivate init(_ plan: PerformancePlan, at now: Nanoseconds) {
        self.init(plan.limits, seed: plan.seed, fallsShort: plan.fallsShort, credits: plan.credits, at: now)
    }
}

/// The performance of one instance, shared by the volumes attached to it.
final class InstancePerformance: Sendable {
    private let clock: any Clock
    private let model = BargingMutex<InstanceModel?>(nil)
    private let hasLimits = Atomic(false)

    /// An instance without limits.
    init(clock: any Clock) {
        self.clock = clock
    }

    /// Whether I/O has to be let through. Takes no lock.
    var isLimited: Bool { hasLimits.load(ordering: .relaxed) }

    /// Goes on under a type's limits, or without any; the same type keeps its credits.
    func follow(_ type: InstanceType?) {
        model.withLock { model in
            guard model?.type != type else { return }
            model = type.map { InstanceModel($0, at: clock.uptimeNanoseconds()) }
        }
        hasLimits.store(type != nil, ordering: .relaxed)
    }

    /// The type, and what is left of its burst, in thousandths; `nil` for an instance without limits.
    var report: InstanceReport? {
        model.withLock { model in
            model.map { InstanceReport(type: $0.type, balance: $0.balancePermille(at: clock.uptimeNanoseconds())) }
        }
    }

    /// When the instance lets an I/O through whose volume has dispatched it.
    func admit(_ progress: IOInProgress) -> Nanoseconds {
        model.withLock { model in
            model?.admit(units: progress.units, bytes: progress.io.length, at: progress.dispatch) ?? progress.dispatch
        }
    }
}
