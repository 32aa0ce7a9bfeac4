import BlockStore
import Platform
import Synchronization
import SystemPackage

/// The one way to an attached volume's bytes: one read and one write, through which all I/O of it goes.
///
/// It asserts that the volume is attached and that the range lies within it, and fails with an errno. What is
/// to happen to I/O (limits, latency, faults, statistics) happens here, between the check and the file.
/// A closed door answers EIO, as a device does that was taken out.
final class VolumeDoor: Sendable {
    /// Rises when the volume grows. For those inside of the gate.
    private var sizeBytes: Int64 { blocks.sizeBytes }
    /// The volume's, shared with its other attachments. For those inside of the gate.
    var blocks: VolumeBlocks {
        guard let held = unsafe held else { preconditionFailure("bytes are used inside of the gate") }
        return held
    }
    /// Set to nothing once the gate is closed and nobody inside: a lane may remember a closed door for long, and the
    /// volume's files must not stay open with it.
    nonisolated(unsafe) private var held: VolumeBlocks?
    /// The volume's, shared with its other attachments.
    let performance: VolumePerformance
    /// The instance's, shared with its other volumes.
    let instance: InstancePerformance
    /// All volumes'.
    private let firstTouch: FirstTouchLatency
    private let gate = Gate()

    init(
        blocks: VolumeBlocks, performance: VolumePerformance, instance: InstancePerformance,
        firstTouch: FirstTouchLatency
    ) {
        unsafe held = blocks
        self.performance = performance
        self.instance = instance
        self.firstTouch = firstTouch
    }

    /// How much longer an I/O takes now that has to get a block from a snapshot; 0 where nothing is missing.
    @inline(__always)
    var firstTouchNanoseconds: Nanoseconds { blocks.isRestoring ? firstTouch.nanoseconds : 0 }

    /// Lets nobody in any more: new I/O fails with EIO.
    func shut() {
        gate.close()
    }

    /// Shuts the door, waits for what is inside, and lets go of the volume, whose files close with its last door.
    func close() async {
        await gate.closeAndDrain()
        unsafe held = nil
    }

    /// Lets a read in, of fewer bytes than `count` at the end; nothing where there is nothing to read.
    func beginRead(count: Int, at offset: Int64) throws(Errno) -> AdmittedIO? {
        try begin(.read, length: Int64(count), at: offset)
    }

    /// Lets a write in, of fewer bytes than `count` at the end; nothing for a write of nothing. Beyond the end is
    /// ENOSPC, as on any block device.
    func beginWrite(count: Int, at offset: Int64) throws(Errno) -> AdmittedIO? {
        try begin(.write, length: Int64(count), at: offset)
    }

    private func begin(
        _ direction: VolumeIO.Direction, length: Int64, at offset: Int64
    ) throws(Errno) -> AdmittedIO? {
        guard gate.enter() else { throw .ioError }
        let inside = clipped(length, at: offset)
        if inside == 0 {
            gate.leave()
            if direction == .write, length > 0 { throw .noSpace }
            return nil
        }
        return AdmittedIO(
            performance.begin(VolumeIO(direction: direction, offset: offset, length: inside)), through: self)
    }

    /// What `beginRead` and `beginWrite` let in is over.
    func end(_ progress: IOInProgress) {
        performance.end(progress)
        gate.leave()
    }

    /// Returns when everything answered before is durable.
    func flush() throws(Errno) {
        guard gate.enter() else { throw .ioError }
        defer { gate.leave() }
        try blocks.synchronize()
    }

    /// Gives space back, makes zeros, or reserves space.
    func changeSpace(_ change: FileDescriptor.SpaceChange, at offset: Int64, length: Int64) throws(Errno) {
        guard gate.enter() else { throw .ioError }
        defer { gate.leave() }
        guard offset >= 0, length > 0, offset < sizeBytes, length <= sizeBytes - offset else {
            throw .invalidArgument
        }
        switch change {
        case .allocate: try blocks.allocate(at: offset, length: length)
        case .punchHole: try blocks.punchHole(at: offset, length: length)
        case .zero: try blocks.zero(at: offset, length: length)
        }
    }

    /// Where data or a hole is next; ENXIO when there is none, as `lseek` has it.
    func next(_ content: FileDescriptor.Content, from offset: Int64) throws(Errno) -> Int64 {
        guard gate.enter() else { throw .ioError }
        defer { gate.leave() }
        return try blocks.next(content, from: offset)
    }

    /// Size, space and times.
    func status() throws(Errno) -> FileStatus {
        guard gate.enter() else { throw .ioError }
        defer { gate.leave() }
        return try blocks.status()
    }

    /// How much of a range lies within the volume.
    private func clipped(_ count: Int64, at offset: Int64) -> Int64 {
        offset < 0 ? 0 : max(0, min(count, sizeBytes - offset))
    }
}

/// What it costs to get a block from a snapshot, beside the time that it takes here: with EBS it comes from S3.
final class FirstTouchLatency: Sendable {
    private let value = Atomic<Nanoseconds>(0)

    var nanoseconds: Nanoseconds { value.load(ordering: .relaxed) }

    func set(_ nanoseconds: Nanoseconds) { value.store(nanoseconds, ordering: .relaxed) }
}
