import Driver
import Platform

/// One lock a volume: operations on one volume come one after another, in order; volumes do not wait for each other.
struct VolumeLocks: Sendable {
    private let locks = KeyedLocks<VolumeID>()
    private let clock: any Clock

    init(clock: any Clock) {
        self.clock = clock
    }

    /// Runs `body` while nobody else holds the volume.
    ///
    /// - Parameter end: the uptime at which waiting for the lock ends with `DeadlineExceeded`.
    func withLock<Value: Sendable>(
        _ id: VolumeID, until end: Duration, _ body: @Sendable () async throws -> Value
    ) async throws -> Value {
        let error = StorageError(
            .deadlineExceeded, "Volume \(id) is busy with another operation", advice: "try again later")
        return try await locks.withLock(id, until: .init(uptime: end, clock: clock, error: error), body)
    }

    /// How many wait for the volume; for tests.
    func waiterCount(_ id: VolumeID) -> Int { locks.waiterCount(id) }
}
