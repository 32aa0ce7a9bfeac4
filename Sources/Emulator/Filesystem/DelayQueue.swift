import Platform
import Synchronization
import SystemPackage

/// Holds answers until they are due: a place in a heap each, and one thread and timer for all.
///
/// Answers leave in the order of their deadlines. Their number and the memory of what they hold are bounded; a lane
/// that finds no room waits with its answer itself.
///
/// Concurrency: `replies` is an array of places. A place belongs to whoever took its number out of the schedule,
/// under the lock; so only one thread touches it. The lock is never held over a system call.
@safe final class DelayQueue: @unchecked Sendable {
    /// More than the kernel has in flight for one connection at a time (`max_background`).
    static let capacity = 8_192
    /// Answers that are due within this time of each other leave together, so that a fast volume's thousands of
    /// answers in a second are not as many awakenings: half of it too early at most, and half of it too late.
    static let window: Nanoseconds = 100_000
    /// How many answers are taken out of the heap at a time.
    private static let batch = 32

    /// Setting a timer and waking from it takes longer than this.
    private static let shortestSleep: Nanoseconds = 5_000
    /// Waking takes no longer than this on a machine that has time.
    private static let longestLead: Nanoseconds = 100_000

    let memory = HeldBytesPool()
    private let clock: any Clock
    private let timer: DeadlineTimer
    private let replies: UnsafeMutablePointer<DelayedReply>
    private let state = BargingMutex(State())
    /// How long waking up takes, on average: the timer is set earlier by it.
    let lead = Atomic<Nanoseconds>(0)
    private let isStopping = Atomic(false)
    private let thread = Mutex<KernelThread?>(nil)

    private struct State: Sendable {
        var schedule = DeadlineSchedule(capacity: DelayQueue.capacity)
        /// What the timer is set to, or is about to be.
        var alarm: Nanoseconds?
        /// Not to wake before this for one answer more.
        var rest: Nanoseconds = .min

        /// When the timer has to be set to, which the caller must then do; `nil` when it is set early enough.
        mutating func earlierAlarm(for deadline: Nanoseconds) -> Nanoseconds? {
            let wanted = max(deadline, rest)
            if let alarm, alarm <= wanted { return nil }
            alarm = wanted
            return wanted
        }
    }

    init(clock: any Clock) throws(Errno) {
        self.clock = clock
        timer = try DeadlineTimer()
        unsafe replies = .allocate(capacity: Self.capacity)
    }

    deinit {
        timer.close()
        unsafe replies.deallocate()
    }

    /// Throws when the thread cannot be given precedence, which makes answers late on a busy machine; it runs all the
    /// same.
    func start() throws(Errno) {
        let thread = KernelThread(name: "fuse delays") { [self] in run() }
        self.thread.withLock { $0 = thread }
        thread.start()
        try thread.becomeUrgent()
    }

    /// Gives every answer that still waits at once, and ends the thread. Nothing is held afterwards.
    func stop() {
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        isStopping.store(true, ordering: .releasing)
        thread?.interruptAndJoin()
        settle(where: { _ in true }) { $0.send() }
    }

    /// Gives an answer now if it is due, and when it is due otherwise. Waits for that itself when there is no room.
    func send(_ reply: consuming DelayedReply) {
        var reply = reply
        if !reply.io.isDelayed || reply.io.advance(at: clock.uptimeNanoseconds()) { return reply.send() }
        let deadline = reply.io.deadline
        var waiting = Optional(reply)
        let alarm = state.withLock { state -> Nanoseconds? in
            guard let slot = state.schedule.takeSlot() else { return nil }
            unsafe (replies + slot).initialize(to: waiting.take()!)
            state.schedule.add(slot, deadline: deadline)
            return state.earlierAlarm(for: deadline)
        }
        if let alarm { setAlarm(alarm) }
        guard var leftOver = waiting.take() else { return }
        wait(for: &leftOver.io)
        leftOver.send()
    }

    /// Lets go at once what a door still has under way, with an error.
    func fail(_ door: VolumeDoor) {
        settle(where: { unsafe (replies + $0).pointee.io.isFor(door) }) { $0.fail() }
    }

    /// Keeps this thread until an I/O is due.
    func wait(for io: inout AdmittedIO) {
        if !io.isDelayed { return }
        while !io.advance(at: clock.uptimeNanoseconds()) { waitInThisThread(untilUptimeNanoseconds: io.deadline) }
    }

    /// Two threads may set the timer in another order than they decided to: whoever finds that it is not at what was
    /// decided last sets it again.
    private func setAlarm(_ deadline: Nanoseconds?) {
        var deadline = deadline
        while true {
            timer.set(deadline.map { $0 - lead.load(ordering: .relaxed) })
            let latest = state.withLock { $0.alarm }
            if latest == deadline { return }
            deadline = latest
        }
    }

    private func run() {
        var due: [Int] = []
        var emptied: [Int] = []
        due.reserveCapacity(Self.batch)
        emptied.reserveCapacity(Self.batch)
        while !isStopping.load(ordering: .acquiring) {
            let now = clock.uptimeNanoseconds()
            let (alarm, horizon) = takeDue(at: now, into: &due, freeing: &emptied)
            if due.isEmpty { pause(until: alarm, from: now) }
            for slot in due where deliver(slot, at: horizon) { emptied.append(slot) }
            due.removeAll(keepingCapacity: true)
        }
        state.withLock { state in for slot in emptied { state.schedule.freeSlot(slot) } }
    }

    /// Takes out what is due, up to a batch of it; when nothing is, says when to wake.
    ///
    /// - Returns: the next alarm, and up to which deadline answers are due: those that had to wait for others take
    ///   with them what would be due soon.
    private func takeDue(
        at now: Nanoseconds, into due: inout [Int], freeing emptied: inout [Int]
    ) -> (alarm: Nanoseconds?, horizon: Nanoseconds) {
        state.withLock { state in
            for slot in emptied { state.schedule.freeSlot(slot) }
            emptied.removeAll(keepingCapacity: true)
            let isRested = now + lead.load(ordering: .relaxed) + Self.shortestSleep >= state.rest
            let hasWaited = state.schedule.first.map { $0 < state.rest } ?? false
            let horizon = hasWaited ? now + Self.window / 2 : now
            while isRested, due.count < Self.batch, let ticket = state.schedule.popDue(at: horizon) {
                due.append(ticket.slot)
            }
            if due.isEmpty {
                state.alarm = state.schedule.first.map { max($0, state.rest) }
            } else if due.count < Self.batch {
                state.rest = now + Self.window
            }
            return (state.alarm, horizon)
        }
    }

    /// Waits for the alarm, which may be set earlier meanwhile: in the kernel, or for the last microseconds here.
    private func pause(until alarm: Nanoseconds?, from now: Nanoseconds) {
        let lead = lead.load(ordering: .relaxed)
        guard let alarm, alarm <= now + lead + Self.shortestSleep else {
            setAlarm(alarm)
            timer.wait()
            learn(at: clock.uptimeNanoseconds(), lead)
            return
        }
        while clock.uptimeNanoseconds() < alarm {}
    }

    /// Takes in how late the timer woke this thread from an alarm that may have been set since it went to sleep. What is
    /// earlier was another alarm, what is much later another program's turn.
    private func learn(at now: Nanoseconds, _ lead: Nanoseconds) {
        guard let alarm = state.withLock({ $0.alarm }) else { return }
        let lateness = now - (alarm - lead)
        guard (0..<Self.longestLead).contains(lateness) else { return }
        self.lead.store(lead + (lateness - lead) / 16, ordering: .relaxed)
    }

    /// Goes on with what is due; true when that was its answer, and its slot is empty.
    private func deliver(_ slot: Int, at horizon: Nanoseconds) -> Bool {
        if unsafe (replies + slot).pointee.io.advance(at: horizon) {
            unsafe (replies + slot).move().send()
            return true
        }
        let deadline = unsafe (replies + slot).pointee.io.deadline
        state.withLock { $0.schedule.add(slot, deadline: deadline) }
        return false
    }

    private func settle(where matches: (Int) -> Bool, _ end: (consuming DelayedReply) -> Void) {
        let tickets = state.withLock { $0.schedule.remove(where: matches) }
        for ticket in tickets {
            end(unsafe (replies + ticket.slot).move())
            state.withLock { $0.schedule.freeSlot(ticket.slot) }
        }
    }
}

/// An answer that is known, and what it answers.
struct DelayedReply: ~Copyable {
    enum Outcome: ~Copyable {
        case read(HeldBytes)
        case written
    }

    private let request: Request
    var io: AdmittedIO
    private let outcome: Outcome

    init(_ request: consuming Request, _ io: consuming AdmittedIO, _ outcome: consuming Outcome) {
        self.request = request
        self.io = io
        self.outcome = outcome
    }

    consuming func send() {
        switch consume outcome {
        case .read(let held): unsafe request.reply(memory: held.bytes)
        case .written: request.reply(written: io.count)
        }
    }

    consuming func fail() {
        request.fail(.ioError)
    }
}
