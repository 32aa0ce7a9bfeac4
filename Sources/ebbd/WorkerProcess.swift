import Emulator
import Glibc
import Platform
import SystemPackage

/// A worker as its supervisor sees it: a child, and a pipe on which it says that it serves.
struct WorkerProcess {
    let process: ChildProcess
    /// Closed, and `nil`, once the worker has spoken or died.
    private(set) var readiness: FileDescriptor?

    var pid: Int32 { process.pid }

    /// Starts the program again, with the hidden argument that makes it a worker: the one that lies where this
    /// one was started from, so that a successor can be a newer version.
    init(plan: DaemonPlan, filesystem: FilesystemMount?, listeners: Listeners, takesOver: Bool) throws {
        let pipe = try makePipe()
        defer { try? pipe.writeEnd.close() }  // The worker has its own copy; ours carries no data.
        let inheritance = Inheritance(
            lanes: filesystem?.lanes.map(\.rawValue) ?? [], initRecord: filesystem?.initRecord.rawValue,
            takesOver: takesOver, rpcListener: listeners.rpc.descriptor.rawValue,
            dockerListeners: listeners.docker.mapValues(\.descriptor.rawValue),
            readiness: pipe.writeEnd.rawValue, supervisorPID: getpid())
        process = try ChildProcess.spawn(
            plan.executable.string,
            arguments: plan.arguments + ["--inheritance", try inheritance.argument()],
            inherited: inheritance.descriptors)
        readiness = pipe.readEnd
    }

    /// Reads the pipe: true for the byte that says "I serve", false for a worker that died first.
    mutating func takeReadiness() throws -> Bool {
        guard let pipe = readiness else { return false }
        defer { readiness = nil }
        let isReady = try pipe.readByte() != nil
        try pipe.close()
        return isReady
    }

    /// How it ended, or `nil` while it runs.
    mutating func reap() throws -> ChildProcess.Termination? {
        guard let termination = try process.poll() else { return nil }
        if let pipe = readiness { try pipe.close() }
        readiness = nil
        return termination
    }
}
