import Logging
import Platform
import SystemPackage

/// Takes connections from a listening socket on a thread of its own.
///
/// A thread, and not the event loop, because who connected is to be asked of each descriptor before anything is read.
final class Acceptor: Sendable {
    let sockets: AsyncStream<FileDescriptor>
    private let stopping: AsyncStream<FileDescriptor>.Continuation
    private let thread: KernelThread
    private let stopPipe: (readEnd: FileDescriptor, writeEnd: FileDescriptor)
    private let logger: Logger

    init(listener: FileDescriptor, logger: Logger) throws {
        let (sockets, continuation) = AsyncStream<FileDescriptor>.makeStream()
        let pipe = try makePipe()
        self.sockets = sockets
        self.logger = logger
        stopping = continuation
        stopPipe = pipe
        thread = KernelThread(name: "rpc-accept") {
            Self.accept(from: listener, until: pipe.readEnd, continuation, logger)
        }
        thread.start()
    }

    /// Lets the thread end, and with it `sockets`. May be called again.
    func stop() {
        do {
            _ = try stopPipe.writeEnd.writeAll([0])
        } catch {
            logger.error("The accepting thread cannot be told to stop: \(error)")
        }
    }

    /// Waits for the thread; comes after `stop`.
    func join() {
        thread.join()
        for end in [stopPipe.readEnd, stopPipe.writeEnd] {
            do { try end.close() } catch { logger.error("A pipe cannot be closed: \(error)") }
        }
    }

    private static func accept(
        from listener: FileDescriptor, until stop: FileDescriptor,
        _ sockets: AsyncStream<FileDescriptor>.Continuation, _ logger: Logger
    ) {
        defer { sockets.finish() }
        while true {
            do throws(Errno) {
                let ready = try waitUntilReadable([listener, stop])
                if ready.contains(stop.rawValue) { return }
                if ready.contains(listener.rawValue) { sockets.yield(try acceptConnection(on: listener)) }
            } catch {
                // Out of descriptors, most likely: those who wait stay in the queue until some are free.
                logger.error("A connection cannot be accepted: \(error)")
                // A wait that fails too is only a shorter pause; the loop asks again and logs again.
                if let ready = try? waitUntilReadable([stop], timeout: .milliseconds(100)), !ready.isEmpty { return }
            }
        }
    }
}
