// Filesystems that hold still while something is done. See FreezeGuardian for who thaws them, whatever happens.

import Driver
import Platform
import SystemPackage

extension LinuxMachine {
    public func whileFrozen<Value: Sendable>(
        _ places: [FrozenPlace], atMost limit: Duration, _ body: @Sendable () async throws -> Value
    ) async throws -> HeldStill<Value> {
        let order = GuardianOrder.hold(places, limitMilliseconds: Int64(limit / .milliseconds(1)))
        let guardian = try GuardianProcess(guardianProgram, order)
        let result: Result<Value, any Error>
        do {
            try await withDeadline(freezeDeadline, clock: clock, "Freezing \(order.paths)") {
                try await guardian.frozen.value()
            }
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        guardian.release()
        let ending = try await withDeadline(commandDeadline, clock: clock, "Thawing \(order.paths)") {
            try await guardian.ended.value()
        }
        switch ending {
        case .thawed(let lasted): return HeldStill(value: try result.get(), lasted: lasted)
        case .refused, .leftFrozen: throw GuardianProcess.failure(ending, order)
        }
    }

    public func thaw(_ places: [FrozenPlace]) async throws {
        let order = GuardianOrder.thaw(places)
        let guardian = try GuardianProcess(guardianProgram, order)
        let ending = try await withDeadline(commandDeadline, clock: clock, "Thawing \(order.paths)") {
            try await guardian.ended.value()
        }
        if case .thawed = ending { return }
        throw GuardianProcess.failure(ending, order)
    }
}

extension StorageError {
    init(_ refusal: GuardianRefusal, _ order: GuardianOrder) {
        let path = order.places.indices.contains(refusal.index) ? order.places[refusal.index].path : "?"
        let errno = Errno(rawValue: refusal.errno)
        switch refusal.step {
        case .freeze where errno == .resourceBusy:
            self.init(
                .deviceBusy, "The filesystem at '\(path)' is frozen already", advice: "thaw it, or do without freezing")
        case .freeze where errno == .notSupported:
            self.init(
                .unsupportedOperation, "The filesystem at '\(path)' cannot be frozen", advice: "do without freezing")
        case .compare:
            self.init(.hostOperationFailed, "At '\(path)' another filesystem is mounted by now")
        case .open, .flush, .freeze, .thaw:
            self.init(
                .hostOperationFailed, "The filesystem at '\(path)' could not be \(refusal.step.participle)",
                cause: "\(errno)")
        }
    }
}

extension GuardianRefusal.Step {
    fileprivate var participle: String {
        switch self {
        case .open: "opened"
        case .compare: "compared"
        case .flush: "flushed"
        case .freeze: "frozen"
        case .thaw: "thawed"
        }
    }
}
