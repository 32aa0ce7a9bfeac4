import CFuse
import Glibc
import Platform
import Synchronization
import SystemPackage

/// One descriptor of the connection with its own thread, its own libfuse session and its own buffers, so that a
/// reply leaves on the descriptor that its request came by, and lanes share nothing but the export table.
///
/// Concurrency: `session`, `requestBuffer`, `replyBuffer` and `doorInUse` belong to the lane's thread once
/// `start` has been called, and to the caller before; `isStopping` is for everybody.
@safe final class Lane: @unchecked Sendable {
    /// What a lane's buffers are made for; the mount option `max_read` and INIT's answer say the same.
    static let maximumTransferBytes = 1 << 20
    /// Beside a write's data there is a header; the kernel refuses to fill a buffer that is too short.
    private static let requestBufferBytes = maximumTransferBytes + 4096

    let exports: ExportTable
    let owner: Owner
    /// Where answers wait that are not due yet.
    let delays: DelayQueue
    /// Where an answer is put together.
    let replyBuffer: UnsafeMutableRawBufferPointer
    private let descriptor: FileDescriptor
    private let requestBuffer: UnsafeMutableRawBufferPointer
    private var session: OpaquePointer?
    /// Until INIT has been gone through, what libfuse answers to it is not for the kernel.
    private var swallowsReplies = false
    /// The door that was used last. Numbers of attachments never return, so it stays the right one.
    private var doorInUse: (inode: InodeNumber, door: VolumeDoor)?
    private let isStopping = Atomic(false)
    private let thread = Mutex<KernelThread?>(nil)

    /// - Parameter descriptor: stays the caller's; the lane works on a duplicate.
    init(descriptor: FileDescriptor, exports: ExportTable, owner: Owner) throws(Errno) {
        self.exports = exports
        delays = exports.delays
        self.owner = owner
        self.descriptor = try descriptor.duplicateClosedOnExec()
        unsafe replyBuffer = .allocate(byteCount: Self.maximumTransferBytes, alignment: 4096)
        unsafe requestBuffer = .allocate(byteCount: Self.requestBufferBytes, alignment: 4096)
        // All of it is there before the first request. A kernel that has to find memory while it hands a request over
        // to a process that is being killed fails that request, and nobody can do it again.
        unsafe requestBuffer.initializeMemory(as: UInt8.self, repeating: 0)
        unsafe session = try makeSession()
    }

    deinit {
        // Closes the descriptor too.
        if let session = unsafe session { unsafe fuse_session_destroy(session) }
        unsafe replyBuffer.deallocate()
        unsafe requestBuffer.deallocate()
    }

    private func makeSession() throws(Errno) -> OpaquePointer {
        var operations = filesystemOperations()
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        guard
            let session = unsafe cfuse_session(
                &operations, descriptor.rawValue, UInt32(Self.maximumTransferBytes), sendReply, context)
        else {
            throw .noMemory
        }
        return unsafe session
    }

    /// Brings the session to where INIT's answer has been sent.
    ///
    /// - Parameter answersKernel: whether the answer is sent. A kernel that has it already says ENOENT to it,
    ///   which is no error.
    func initialize(with initRequest: [UInt8], answersKernel: Bool) {
        swallowsReplies = !answersKernel
        var copy = initRequest
        unsafe copy.withUnsafeMutableBytes { unsafe cfuse_process(session, $0.baseAddress, $0.count) }
        swallowsReplies = false
    }

    /// Asks the kernel to hand over again what an earlier worker left unanswered.
    func requestResend() throws(Errno) {
        var notification = cfuse_resend_notification()
        try unsafe withUnsafeBytes(of: &notification) { (bytes) throws(Errno) in
            try unsafe descriptor.writeMessage(bytes)
        }
    }

    /// Serves requests on a thread of its own until the filesystem is unmounted or `stop` is called.
    func start(number: Int, onEnd: @escaping @Sendable (Errno?) -> Void) {
        let thread = KernelThread(name: "fuse lane \(number)") { [self] in onEnd(serve()) }
        self.thread.withLock { $0 = thread }
        thread.start()
    }

    /// Finishes the request that is being served, if any, and ends the thread. Waits for it.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        let thread = thread.withLock { $0 }
        thread?.interruptAndJoin()
    }

    /// Nil after an unmount or a stop; an error that the connection cannot live with otherwise.
    private func serve() -> Errno? {
        while !isStopping.load(ordering: .acquiring) {
            do throws(Errno) {
                let count = try unsafe descriptor.readMessage(into: requestBuffer)
                unsafe cfuse_process(session, requestBuffer.baseAddress, count)
            } catch .operationNotSupportedByDevice {
                return nil
            } catch {
                // EINTR: to look at isStopping. ENOENT: the request was interrupted before it was handed over.
                if error == .interrupted || error == .noSuchFileOrDirectory || error == .resourceTemporarilyUnavailable
                {
                    continue
                }
                return error
            }
        }
        return nil
    }

    /// The door of an attachment; the one used last without asking the table.
    func door(of inode: InodeNumber) throws(Errno) -> VolumeDoor {
        if let doorInUse, doorInUse.inode == inode { return doorInUse.door }
        let door = try exports.door(of: inode)
        doorInUse = (inode, door)
        return door
    }

    fileprivate func send(_ parts: UnsafeMutablePointer<iovec>, count: Int32) -> Int {
        if swallowsReplies {
            return unsafe UnsafeBufferPointer(start: parts, count: Int(count)).reduce(0) { unsafe $0 + $1.iov_len }
        }
        return unsafe writev(descriptor.rawValue, parts, count)
    }
}

/// libfuse's way out: it looks at the result, and at `errno` after -1.
private func sendReply(
    _ descriptor: Int32, _ parts: UnsafeMutablePointer<iovec>?, _ count: Int32, _ context: UnsafeMutableRawPointer?
) -> Int {
    unsafe Unmanaged<Lane>.fromOpaque(context!).takeUnretainedValue().send(parts!, count: count)
}
