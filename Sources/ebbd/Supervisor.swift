import Driver
import Emulator
import Logging
import Platform
import SystemPackage

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The process that never dies: it holds what must survive, and runs a worker that does everything else.
///
/// It holds the lanes of the filesystem, the listening sockets, the lock of the state directory and the pid
/// file. It has one thread and no concurrency: signals and the worker's readiness are read from descriptors.
/// It touches neither the catalog nor a volume, so there is little in it that could fail.
struct Supervisor {
    let plan: DaemonPlan
    let logger: Logger
    private let lock: LockFile
    private let pidFile: PidFile
    private let signals: SignalDescriptor
    private let serviceManager: ServiceManager
    private var filesystem: FilesystemMount?
    private let listeners: Listeners
    private var worker: WorkerProcess?
    private var restarts = RestartPacing()

    /// Takes everything that the worker needs and that must not be there twice.
    init(plan: DaemonPlan, logger: Logger) throws {
        self.plan = plan
        self.logger = logger
        serviceManager = ServiceManager(environment: ProcessInfo.processInfo.environment, logger: logger)
        signals = try SignalDescriptor([.terminate, .interrupt, .hangUp, .handOver, .child])
        try plan.makeDirectories()
        lock = try plan.takeLock()
        pidFile = try PidFile(path: plan.pidFile)
        do {
            filesystem = try Self.mountFilesystem(plan, logger)
        } catch {
            try pidFile.remove()
            throw error
        }
        do {
            listeners = try Listeners(plan: plan)
        } catch {
            try filesystem?.unmount()
            try pidFile.remove()
            throw error
        }
    }

    /// Runs workers until a signal says to stop, then leaves nothing behind.
    ///
    /// - Returns: the process's exit code: 0 after a signal, 1 when the first worker could not begin to serve.
    mutating func run() throws -> Int32 {
        let code = try superviseWorkers()
        try cleanUp()
        return code
    }

    private mutating func superviseWorkers() throws -> Int32 {
        var isShown = false
        try startWorker(takesOver: false)
        while true {
            switch try nextEvent() {
            case .ready:
                if !isShown {
                    try listeners.show()
                    serviceManager.tellServing()
                }
                isShown = true
                restarts.workerServed()
                logger.info("serving", metadata: ["pid": "\(worker?.pid ?? 0)"])
            case .workerEnded(let termination):
                guard isShown else { return 1 }
                if termination == .exited(code: 0) {
                    try startWorker(takesOver: true)
                    continue
                }
                let pause = restarts.pauseBeforeNext()
                logger.error("the worker died; the next one takes over", metadata: ["cause": "\(termination)"])
                if try waitForStop(during: pause) { return 0 }
                try startWorker(takesOver: true)
            case .handOver:
                logger.info("the worker makes place for the next one")
                try worker?.process.send(.handOver)
            case .stop:
                serviceManager.tellStopping()
                try listeners.remove()
                try stopWorker()
                return 0
            }
        }
    }

    private enum Event {
        case ready
        case workerEnded(ChildProcess.Termination)
        case handOver
        case stop
    }

    private mutating func nextEvent() throws -> Event {
        while true {
            var awaited = [signals.descriptor]
            if let readiness = worker?.readiness { awaited.append(readiness) }
            let readable = try waitUntilReadable(awaited)
            if let readiness = worker?.readiness, readable.contains(readiness.rawValue) {
                if try worker?.takeReadiness() == true { return .ready }
            }
            if readable.contains(signals.descriptor.rawValue) {
                let signal = try signals.next()
                if signal == .handOver { return .handOver }
                guard signal == .child else { return .stop }
                if let termination = try worker?.reap() {
                    worker = nil
                    return .workerEnded(termination)
                }
            }
        }
    }

    private mutating func startWorker(takesOver: Bool) throws {
        var takesOver = takesOver
        if takesOver, let mounted = filesystem, !mounted.survivesWorkers {
            // An older kernel: what was in flight is lost, and what comes finds a filesystem again.
            try mounted.unmount()
            filesystem = try Self.mountFilesystem(plan, logger)
            takesOver = false
        }
        worker = try WorkerProcess(plan: plan, filesystem: filesystem, listeners: listeners, takesOver: takesOver)
    }

    private static func mountFilesystem(_ plan: DaemonPlan, _ logger: Logger) throws -> FilesystemMount? {
        guard plan.servesRegion else { return nil }
        return try FilesystemMount.mount(at: plan.filesystemMount, laneCount: plan.laneCount, logger: logger)
    }

    /// Asks the worker to end and waits; kills it when it takes longer than its time.
    private mutating func stopWorker() throws {
        guard let worker else { return }
        try worker.process.send(.terminate)
        let clock = SystemClock()
        let deadline = clock.uptime() + plan.stopTimeout
        while try self.worker?.reap() == nil {
            if clock.uptime() >= deadline {
                logger.warning("the worker does not end; killing it")
                try worker.process.send(.kill)
            }
            if try !waitUntilReadable([signals.descriptor], timeout: .milliseconds(500)).isEmpty {
                _ = try signals.next()
            }
        }
        self.worker = nil
    }

    /// Lets `pause` pass; true when a signal to stop came meanwhile.
    private func waitForStop(during pause: Duration) throws -> Bool {
        guard pause > .zero, try !waitUntilReadable([signals.descriptor], timeout: pause).isEmpty else {
            return false
        }
        return try signals.next() != .child
    }

    private func cleanUp() throws {
        try listeners.remove()
        try filesystem?.unmount()
        try pidFile.remove()
    }
}

/// How long to wait before the next worker: not at all after one that served, longer and longer after workers
/// that die at once.
struct RestartPacing {
    private var failures = 0

    mutating func workerServed() { failures = 0 }

    mutating func pauseBeforeNext() -> Duration {
        defer { failures += 1 }
        return failures == 0 ? .zero : .milliseconds(min(5_000, 50 << min(failures, 10)))
    }
}
