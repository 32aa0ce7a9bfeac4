import Glibc
import Logging
import Platform
import Synchronization
import SystemPackage

/// A worker's main thread: it waits for the signal to stop while the services run on other threads.
struct WorkerMain {
    let plan: DaemonPlan
    let inheritance: Inheritance
    let logger: Logger

    /// Never returns. Exits with 0 after SIGTERM and SIGUSR1, with 1 when the services fail.
    ///
    /// After SIGTERM the daemon ends, and volumes are put away. After SIGUSR1 a successor takes over, and mounts
    /// stay as they are.
    func run() throws -> Never {
        // Blocked here, before any other thread exists. An interrupt from the terminal reaches the whole
        // process group; what it means is the supervisor's decision.
        let signals = try SignalDescriptor([.terminate, .interrupt, .hangUp, .handOver])
        try setParentDeathSignal(.terminate)
        if getppid() != inheritance.supervisorPID { exit(1) }
        let isLast = Atomic(false)
        let services = Task {
            do {
                let remains = try await Services(plan: plan, inheritance: inheritance, logger: logger).run()
                // The services were cancelled, and this task with them; putting volumes away must not be.
                let isEnd = isLast.load(ordering: .acquiring)
                try await Task { if isEnd { try await end(remains) } else { await remains.volumes.shutdown() } }.value
                exit(0)
            } catch {
                logger.critical("\(error)")
                exit(1)
            }
        }
        var signal = try signals.next()
        while signal != .terminate && signal != .handOver { signal = try signals.next() }
        isLast.store(signal == .terminate, ordering: .releasing)
        services.cancel()
        while true { pause() }
    }

    private func end(_ remains: Services.Remains) async throws {
        await remains.volumes.withdraw()
        try await remains.endWorld()
    }
}
