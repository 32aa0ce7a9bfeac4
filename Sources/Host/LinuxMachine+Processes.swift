// What other processes have mounted, from /proc.
//
// A process may end while it is looked at, and then has nothing mounted. /proc says so with errors of its own; whatever
// else keeps us from looking is thrown, since a volume that is in use must not be taken for unused.

import Driver
import Platform
import SystemPackage

extension LinuxMachine {
    /// A mountinfo of 100,000 mounts still fits.
    private static let mountInfoLimit = 64 << 20

    public func mounts() throws -> [MountInfo] {
        let path = proc.appending("self")
        do {
            return try Self.mounts(shownIn: path)
        } catch {
            throw StorageError(.hostOperationFailed, "'\(path)/mountinfo' could not be read", cause: "\(error)")
        }
    }

    /// - Parameter task: the directory of a process, or of one of its threads.
    private static func mounts(shownIn task: FilePath) throws(Errno) -> [MountInfo] {
        MountInfo.parse(
            String(decoding: try readFile(task.appending("mountinfo"), limit: mountInfoLimit), as: UTF8.self))
    }

    /// What a mountinfo shows: one namespace, from one root directory down (proc_pid_mountinfo(5)).
    private struct View: Hashable {
        var namespace: String
        var root: String
    }

    /// Each view is read once, by the first process that is found to have it.
    public func foreignMounts(of number: DeviceNumber) throws -> [ForeignMount] {
        let own = try ownNamespace()
        var seen: Set<View> = []
        var found: [ForeignMount] = []
        for pid in try processIDs() {
            found += try mounts(ofProcess: pid, besides: own, &seen).filter { $0.deviceNumber == number }
                .map { ForeignMount(pid: pid, command: commandName(of: pid), mountPoint: $0.mountPoint) }
        }
        return found
    }

    /// What a process has mounted in a namespace besides our `own`, and in a view that is not yet `seen`.
    private func mounts(
        ofProcess pid: Int32, besides own: String, _ seen: inout Set<View>
    ) throws -> [MountInfo] {
        let process = proc.appending("\(pid)")
        do {
            if let mounts = try Self.mounts(ofTask: process, besides: own, &seen) { return mounts }
            // Its first thread has ended, and shows nothing; the others may live on.
            return try Self.threads(of: process)
                .flatMap { thread in try Self.mounts(ofTask: thread, besides: own, &seen) ?? [] }
        } catch {
            throw StorageError(
                .hostOperationFailed, "The mounts of process \(pid) (\(commandName(of: pid))) could not be read",
                cause: "\(error)", advice: "what it may hold is kept; try again")
        }
    }

    /// - Returns: `nil` for a task that has ended.
    private static func mounts(
        ofTask task: FilePath, besides own: String, _ seen: inout Set<View>
    ) throws(Errno) -> [MountInfo]? {
        do throws(Errno) {
            guard let view = try view(ofTask: task) else { return try mounts(shownIn: task) }
            if view.namespace == own || seen.contains(view) { return [] }
            let mounts = try mounts(shownIn: task)
            seen.insert(view)
            return mounts
        } catch {
            if meansEnded(error) { return nil }
            throw error
        }
    }

    /// `nil` where its names are hidden (ptrace(2)); the mounts themselves are not.
    private static func view(ofTask task: FilePath) throws(Errno) -> View? {
        do throws(Errno) {
            return View(
                namespace: try linkTarget(of: task.appending("ns/mnt")),
                root: try linkTarget(of: task.appending("root")))
        } catch {
            if error == .permissionDenied { return nil }
            throw error
        }
    }

    private static func threads(of process: FilePath) throws(Errno) -> [FilePath] {
        let directory = process.appending("task")
        do throws(Errno) {
            return try Directory.names(in: directory).map { directory.appending($0) }
        } catch {
            if meansEnded(error) { return [] }
            throw error
        }
    }

    /// What the kernel answers about a task that is gone (ENOENT, ESRCH), or that has given up its mounts on its way
    /// there (ENOENT for links, EINVAL for mountinfo); zombies are such.
    private static func meansEnded(_ error: Errno) -> Bool {
        [.noSuchFileOrDirectory, .noSuchProcess, .invalidArgument].contains(error)
    }

    private func ownNamespace() throws -> String {
        let path = proc.appending("self/ns/mnt")
        do {
            return try linkTarget(of: path)
        } catch {
            throw StorageError(.hostOperationFailed, "'\(path)' could not be read", cause: "\(error)")
        }
    }

    private func processIDs() throws -> [Int32] {
        do {
            return try Directory.names(in: proc).compactMap { Int32($0) }.sorted()
        } catch {
            throw StorageError(.hostOperationFailed, "'\(proc)' could not be listed", cause: "\(error)")
        }
    }

    private func commandName(of pid: Int32) -> String {
        // For messages alone; the process may have ended.
        guard let bytes = try? readFile(proc.appending("\(pid)/comm")) else { return "?" }
        return String(decoding: bytes, as: UTF8.self).filter { !$0.isNewline }
    }

    public func isRunning(_ incarnation: Incarnation) throws -> Bool {
        // 0: the process lies in a pid namespace that is not shown to us.
        guard incarnation.pid > 0 else { return true }
        do {
            guard let status = try ProcessStatus(of: incarnation.pid, proc: proc) else { return false }
            return status.startTimeTicks == incarnation.startTimeTicks && !status.hasEnded
        } catch {
            throw StorageError(
                .hostOperationFailed, "Whether process \(incarnation.pid) runs could not be seen", cause: "\(error)")
        }
    }
}
