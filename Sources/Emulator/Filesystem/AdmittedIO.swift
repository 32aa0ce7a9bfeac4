import BlockStore
import SystemPackage

/// An I/O that a door has let in, until it is answered: it keeps the door's gate open, and its end is counted
/// exactly once, whatever becomes of it.
struct AdmittedIO: ~Copyable, Sendable {
    private let door: VolumeDoor
    private var progress: IOInProgress
    /// Whether the instance has still to let it through.
    private var awaitsInstance: Bool
    /// How much longer it takes if a block has to come from a snapshot first.
    private let firstTouchNanoseconds: Nanoseconds
    /// When it goes on: to the instance's limits, or to its answer.
    private(set) var deadline: Nanoseconds

    /// How many bytes it moves.
    var count: Int { Int(progress.io.length) }

    /// Whether it is not to be answered at once.
    var isDelayed: Bool { awaitsInstance || deadline > progress.arrival || firstTouchNanoseconds > 0 }

    init(_ progress: IOInProgress, through door: VolumeDoor) {
        self.door = door
        self.progress = progress
        awaitsInstance = door.instance.isLimited
        firstTouchNanoseconds = door.firstTouchNanoseconds
        deadline = awaitsInstance ? progress.dispatch : progress.answer
    }

    deinit {
        door.end(progress)
    }

    func isFor(_ other: VolumeDoor) -> Bool { door === other }

    /// Passes the instance's limits, once, when its volume's let it through. True when it can be answered.
    mutating func advance(at now: Nanoseconds) -> Bool {
        if deadline > now { return false }
        guard awaitsInstance else { return true }
        awaitsInstance = false
        let volumeDispatch = progress.dispatch
        progress.dispatch = door.instance.admit(progress)
        if progress.dispatch > volumeDispatch {
            door.performance.wait(for: .instance, from: volumeDispatch, until: progress.dispatch)
        }
        deadline = progress.answer
        return deadline <= now
    }

    /// Where a read finds its bytes.
    ///
    /// - Returns: what is to be kept until they have been passed on.
    mutating func read(into buffer: inout MutableRawSpan) throws(Errno) -> UnwrittenBlock? {
        let offset = progress.io.offset
        if let unwritten = try door.blocks.readMissing(into: &buffer, count: count, at: offset) {
            touched(1)
            return unwritten
        }
        touched(try door.blocks.read(into: &buffer, count: count, at: offset))
        return nil
    }

    /// Writes as many bytes as were let in.
    mutating func write(_ bytes: RawSpan) throws(Errno) {
        touched(try door.blocks.write(bytes.extracting(0..<count), at: progress.io.offset))
    }

    /// The blocks come side by side, so that several take no longer than one.
    private mutating func touched(_ fetchedBlocks: Int) {
        if fetchedBlocks == 0 { return }
        progress.delay += firstTouchNanoseconds
        if !awaitsInstance { deadline = progress.answer }
    }
}

extension IOInProgress {
    /// When it is answered, as things stand.
    fileprivate var answer: Nanoseconds {
        dispatch + delay
    }
}
