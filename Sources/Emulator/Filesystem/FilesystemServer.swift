import Driver
import Logging
import Platform
import Synchronization
import SystemPackage

/// The worker's half of the filesystem: serves the export table over lanes that somebody else holds open.
///
/// Every request is carried out on the thread that read it, and answered by it too, unless the volume's performance
/// wants the answer later. When the process dies, the lanes and what is queued on them stay; the next process makes a
/// server with `takesOver` and goes on.
public final class FilesystemServer: Sendable {
    private let lanes: [Lane]
    private let initRequest: [UInt8]
    private let takesOver: Bool
    private let delays: DelayQueue
    private let logger: Logger
    /// Each lane's thread is inside.
    private let running = Gate()

    /// - Parameters:
    ///   - lanes: `FilesystemMount.lanes`; stay the caller's.
    ///   - initRecord: `FilesystemMount.initRecord`; stays the caller's.
    ///   - takesOver: whether an earlier server may have read requests from these lanes.
    ///   - exports: filled already, so that no request is refused for what is not known yet.
    public init(
        lanes: [FileDescriptor], initRecord: FileDescriptor, takesOver: Bool, exports: ExportTable, logger: Logger
    ) throws(StorageError) {
        let owner = Owner(user: effectiveOwner.user, group: effectiveOwner.group)
        do throws(Errno) {
            initRequest = try InitRecord.read(initRecord)
            var made: [Lane] = []
            for descriptor in lanes {
                made.append(try Lane(descriptor: descriptor, exports: exports, owner: owner))
            }
            self.lanes = made
        } catch {
            throw StorageError(
                .internalError, "The filesystem's lanes cannot be used", cause: error.description)
        }
        self.takesOver = takesOver
        delays = exports.delays
        self.logger = logger
    }

    /// Begins to serve, once. Requests that an earlier server left unanswered are done again.
    public func start() throws(StorageError) {
        becomeFlusher()
        // The first lane is the one that INIT came by. After a takeover the kernel has the answer, unless the
        // earlier worker died before it gave one.
        for (number, lane) in lanes.enumerated() {
            lane.initialize(with: initRequest, answersKernel: number == 0)
        }
        if takesOver { try requestResend() }
        startDelays()
        for (number, lane) in lanes.enumerated() {
            guard running.enter() else { return }
            lane.start(number: number) { [self] error in
                if let error { logger.error("a filesystem lane ended", metadata: ["error": "\(error)"]) }
                running.leave()
            }
        }
    }

    /// Finishes what is being served, answers what still waits to be due, and ends the threads; the kernel keeps what comes for the next server.
    public func stop() {
        for lane in lanes { lane.stop() }
        delays.stop()
    }

    /// Returns when the filesystem has been unmounted, or the server stopped.
    public func waitUntilUnmounted() async {
        await running.closeAndDrain()
        delays.stop()
    }

    private func requestResend() throws(StorageError) {
        guard InitRecord.canResend(initRequest) else {
            throw StorageError(
                .unavailable, "This kernel cannot hand the filesystem to a new process",
                cause: "FUSE_NOTIFY_RESEND came with Linux 6.9", advice: "mount the filesystem anew")
        }
        do throws(Errno) {
            try lanes[0].requestResend()
        } catch {
            throw StorageError(
                .unavailable, "The filesystem's last process cannot be replaced", cause: error.description,
                advice: "mount the filesystem anew")
        }
    }

    private func startDelays() {
        do throws(Errno) {
            try delays.start()
        } catch {
            logger.notice(
                "answers that wait have no precedence over other work: on a busy machine volumes may be late",
                metadata: ["error": "\(error)"])
        }
    }

    /// Without it, memory could be sought by writing to a volume that only this process can write.
    private func becomeFlusher() {
        do throws(Errno) {
            try becomeIOFlusher()
        } catch {
            logger.notice(
                "PR_SET_IO_FLUSHER is refused: under extreme memory pressure I/O may stall",
                metadata: ["error": "\(error)"])
        }
    }
}
