// A machine in memory: loop devices, nodes, mounts and other processes' mount namespaces, as the kernel treats
// them. It outlives the managers that run on it, as the kernel outlives the daemon.

import Driver
import Host
import Platform
import Synchronization

final class FakeMachine: Machine {
    struct Loop: Hashable {
        var file: String
        var volume: VolumeID
        var attachment: Int
        var sizeBytes: Int64 = 0
    }

    struct State {
        var loops: [Int: Loop] = [:]
        var nodes: [String: DeviceNumber] = [:]
        var mounts: [MountInfo] = []
        var foreign: [(number: DeviceNumber, mount: ForeignMount)] = []
        var dead: Set<Incarnation> = []
        var nextID = 100
        /// What filesystems take of their devices, once they were made or have grown here.
        var fileSystemBytes: [VolumeID: Int64] = [:]
        /// Whether ext4 may grow while it is mounted.
        var growsExtMounted = true
        var operations: [String] = []
        var failures: [String: StorageError] = [:]
        /// What cannot be looked at, until it can again.
        var blindness: [String: StorageError] = [:]
        var frozen: Set<DeviceNumber> = []
        /// Where the last filesystems were frozen.
        var places: [String] = []
        /// Whether the guardian is killed too when the process dies, or by itself.
        var losesGuardian = false
        /// Whether filesystems are thawed before what they are frozen for is done.
        var thawsEarly = false
        var gates: [String: [CheckedContinuation<Void, Never>]] = [:]
        var gated: Set<String> = []
    }

    let region: FakeRegion
    let state = Mutex(State())
    let isPrivileged = true

    init(region: FakeRegion) {
        self.region = region
    }

    // MARK: For tests

    var operations: [String] { state.withLock { $0.operations } }
    var mountPoints: [String] { state.withLock { $0.mounts.map(\.mountPoint) } }
    var loopCount: Int { state.withLock { $0.loops.count } }
    var frozen: Set<DeviceNumber> { state.withLock { $0.frozen } }
    var nodes: [String] { state.withLock { $0.nodes.keys.sorted() } }
    func count(_ operation: String) -> Int { operations.count { $0 == operation } }

    /// Makes the next operation of this name fail.
    func fail(_ operation: String, _ error: StorageError = StorageError(.hostOperationFailed, "it failed")) {
        state.withLock { $0.failures[operation] = error }
    }

    /// Lets nobody look at the processes' mounts (`foreign`) or lives (`running`).
    func blind(to what: String) {
        state.withLock { $0.blindness[what] = StorageError(.hostOperationFailed, "Too many open files") }
    }

    func see() { state.withLock { $0.blindness = [:] } }

    /// Lets `count` operations and calls of the region pass, then fails all.
    func die(after count: Int) { region.state.withLock { $0.lifetime = count } }

    func revive() {
        region.state.withLock { state in
            state.lifetime = nil
            state.isDead = false
        }
    }

    /// Holds operations of this name back until `open`.
    func close(_ operation: String) { state.withLock { _ = $0.gated.insert(operation) } }

    func open(_ operation: String) {
        let waiters = state.withLock { state in
            state.gated.remove(operation)
            return state.gates.removeValue(forKey: operation) ?? []
        }
        for waiter in waiters { waiter.resume() }
    }

    /// How many wait at a closed operation.
    func waiting(at operation: String) -> Int { state.withLock { $0.gates[operation]?.count ?? 0 } }

    /// A container starts, or ends, that shows what is mounted at `path`.
    func runContainer(_ pid: Int32, showing path: String, at mountPoint: String = "/test") {
        state.withLock { state in
            guard let mount = state.mounts.last(where: { $0.mountPoint == path }) else { return }
            state.foreign.append(
                (mount.deviceNumber, ForeignMount(pid: pid, command: "busybox", mountPoint: mountPoint)))
        }
    }

    func endContainer(_ pid: Int32) { state.withLock { $0.foreign.removeAll { $0.mount.pid == pid } } }
    func kill(_ incarnation: Incarnation) { state.withLock { _ = $0.dead.insert(incarnation) } }

    /// Adds a mount behind the manager's back.
    func addMount(of number: DeviceNumber, at path: String, fsType: String = "ext4", source: String = "/dev/xvdz") {
        state.withLock { $0.addMount(number, path, fsType, source) }
    }

    /// Adds a loop device behind the manager's back.
    func addLoop(of file: String) -> DeviceNumber {
        state.withLock { state in
            let minor = (0...).first { state.loops[$0] == nil }!
            state.loops[minor] = Loop(file: file, volume: "vol-gone", attachment: 0)
            return DeviceNumber(major: 7, minor: minor)
        }
    }

    /// As after a boot: nothing is mounted, and there are no loop devices and nodes.
    func reboot() {
        state.withLock { state in
            state.mounts = []
            state.loops = [:]
            state.nodes = [:]
            state.foreign = []
        }
    }

    // MARK: Machine

    private func enter(_ operation: String) throws {
        try region.spendLife()
        try state.withLock { state in
            state.operations.append(operation)
            if let error = state.failures.removeValue(forKey: operation) { throw error }
        }
    }

    private func look(_ what: String) throws {
        if let error = state.withLock({ $0.blindness[what] }) { throw error }
    }

    private func pass(_ operation: String) async throws {
        try enter(operation)
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.gated.contains(operation) { return true }
                state.gates[operation, default: []].append(continuation)
                return false
            }
            if isOpen { continuation.resume() }
        }
    }

    func mounts() throws -> [MountInfo] { state.withLock { $0.mounts } }

    func foreignMounts(of number: DeviceNumber) throws -> [ForeignMount] {
        try look("foreign")
        return state.withLock { state in state.foreign.filter { $0.number == number }.map(\.mount) }
    }

    func isRunning(_ incarnation: Incarnation) throws -> Bool {
        try look("running")
        return state.withLock { !$0.dead.contains(incarnation) }
    }

    func loopDevice(backing file: String) async throws -> BlockDevice? {
        guard let behind = region.file(file) else {
            throw StorageError(.hostOperationFailed, "\(file): No such file or directory")
        }
        let minor = state.withLock { state in
            state.loops.first { $0.value.file == file && $0.value.attachment == behind.attachment }?.key
        }
        return minor.map { BlockDevice(path: "/dev/loop\($0)", number: DeviceNumber(major: 7, minor: $0)) }
    }

    func loopDevices() throws -> [DeviceNumber: String] {
        state.withLock { state in
            Dictionary(
                uniqueKeysWithValues: state.loops.map { (DeviceNumber(major: 7, minor: $0.key), $0.value.file) })
        }
    }

    func makeLoopDevice(backing file: String) async throws -> BlockDevice {
        try await pass("loop")
        guard let behind = region.file(file) else { throw StorageError(.hostOperationFailed, "no \(file)") }
        let minor = state.withLock { state in
            let minor = (0...).first { state.loops[$0] == nil }!
            state.loops[minor] = Loop(
                file: file, volume: behind.volume, attachment: behind.attachment,
                sizeBytes: region.sizeBytes(behind.volume))
            return minor
        }
        return BlockDevice(path: "/dev/loop\(minor)", number: DeviceNumber(major: 7, minor: minor))
    }

    func removeLoopDevice(_ number: DeviceNumber, backing file: String) async throws {
        try await pass("unloop")
        try state.withLock { state in
            guard state.loops[number.minor]?.file == file else { return }
            let isOpen =
                state.mounts.contains { $0.deviceNumber == number } || state.foreign.contains { $0.number == number }
            guard !isOpen else { throw StorageError(.deviceBusy, "loop\(number.minor) is open") }
            state.loops[number.minor] = nil
        }
    }

    func sizeBytes(of number: DeviceNumber) throws -> Int64 {
        state.withLock { $0.loops[number.minor]?.sizeBytes ?? 0 }
    }

    func growLoopDevice(_ number: DeviceNumber, backing file: String) async throws {
        try await pass("grow loop")
        guard let behind = region.file(file) else { throw StorageError(.hostOperationFailed, "no \(file)") }
        let sizeBytes = region.sizeBytes(behind.volume)
        state.withLock { $0.loops[number.minor]?.sizeBytes = sizeBytes }
    }

    func whileFrozen<Value: Sendable>(
        _ places: [FrozenPlace], atMost limit: Duration, _ body: @Sendable () async throws -> Value
    ) async throws -> HeldStill<Value> {
        try await pass("freeze")
        let numbers = places.map(\.number)
        let isTaken = state.withLock { state in
            if !state.frozen.isDisjoint(with: numbers) { return true }
            state.frozen.formUnion(numbers)
            state.places = places.map(\.path)
            return false
        }
        if isTaken { throw StorageError(.deviceBusy, "frozen already") }
        let result: Result<Value, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        let lasts = state.withLock { state in
            if !state.losesGuardian { state.frozen.subtract(numbers) }
            return !state.thawsEarly && !state.losesGuardian
        }
        if state.withLock({ $0.losesGuardian }) { throw StorageError(.hostOperationFailed, "still frozen") }
        return HeldStill(value: try result.get(), lasted: lasts)
    }

    func thaw(_ places: [FrozenPlace]) async throws {
        try await pass("thaw")
        state.withLock { $0.frozen.subtract(places.map(\.number)) }
    }

    func fileSystemSizeBytes(on device: String, type: String) async throws -> Int64 {
        let volume = try volume(on: device)
        return state.withLock { state in
            // What was there before the machine is as large as its volume was then.
            state.fileSystemBytes[volume] ?? state.nodes[device].flatMap { state.loops[$0.minor]?.sizeBytes } ?? 0
        }
    }

    func growFileSystem(_ type: String, on device: String, mountedAt path: String?) async throws {
        try await pass(path == nil ? "grow unmounted" : "grow mounted")
        let volume = try volume(on: device)
        if type == "xfs", path == nil { throw StorageError(.incorrectState, "xfs grows mounted") }
        if type != "xfs", path != nil, state.withLock({ !$0.growsExtMounted }) {
            throw StorageError(.deviceBusy, "ext4 may not grow while it is mounted")
        }
        state.withLock { state in
            state.fileSystemBytes[volume] = state.nodes[device].flatMap { state.loops[$0.minor]?.sizeBytes }
        }
    }

    func attachedDevice(of volume: VolumeID, named path: String) throws -> BlockDevice? {
        state.withLock { $0.nodes[path] }.map { BlockDevice(path: path, number: $0) }
    }

    func blockDevice(at path: String) throws -> DeviceNumber? { state.withLock { $0.nodes[path] } }

    func makeNode(_ path: String, number: DeviceNumber) throws {
        try enter("node")
        state.withLock { $0.nodes[path] = number }
    }

    func removeNode(_ path: String) throws {
        try enter("unnode")
        state.withLock { $0.nodes[path] = nil }
    }

    private func volume(on device: String) throws -> VolumeID {
        let loop = state.withLock { state in state.nodes[device].flatMap { state.loops[$0.minor] } }
        guard let loop else { throw StorageError(.hostOperationFailed, "no device \(device)") }
        return loop.volume
    }

    func content(of device: String, backing file: String?) async throws -> DeviceContent {
        try await pass("probe")
        return switch region.content(try volume(on: device)) {
        case .blank, nil: .blank(isZeroed: true)
        case .fileSystem(let type, let uuid): .fileSystem(type: type, uuid: uuid)
        case .other(let what): .other(what)
        }
    }

    func format(_ device: String, as type: FileSystemType, isZeroed: Bool) async throws {
        let volume = try volume(on: device)
        region.state.withLock { $0.contents[volume] = .other("half a filesystem") }
        try await pass("format")
        region.state.withLock { $0.contents[volume] = .fileSystem(type.rawValue, uuid: "uuid-of-\(volume)") }
        state.withLock { state in
            state.fileSystemBytes[volume] = state.nodes[device].flatMap { state.loops[$0.minor]?.sizeBytes }
        }
    }

    func discard(_ device: String) async throws -> Bool {
        try await pass("discard")
        return true
    }

    func mount(_ device: String, at path: String, fsType: String?, options: String?) async throws {
        try await pass("mount")
        try state.withLock { state in
            guard let number = state.nodes[device] else { throw StorageError(.hostOperationFailed, "no \(device)") }
            state.addMount(number, path, fsType ?? "ext4", device, options ?? "rw")
        }
    }

    func bindMount(_ source: String, at path: String, readOnly: Bool) async throws {
        try await pass("bind")
        state.withLock { state in
            guard let mount = state.mounts.last(where: { $0.mountPoint == source }) else { return }
            state.addMount(mount.deviceNumber, path, mount.fsType, mount.source, readOnly ? "ro" : "rw")
        }
    }

    func unmount(_ path: String, lazily: Bool) async throws {
        try await pass(lazily ? "lazy unmount" : "unmount")
        try state.withLock { state in
            guard let index = state.mounts.lastIndex(where: { $0.mountPoint == path }) else {
                throw StorageError(.hostOperationFailed, "\(path): not mounted")
            }
            state.mounts.remove(at: index)
        }
    }

    func makeMountPoint(_ path: String) throws { try enter("mkdir") }
    func makeDirectory(_ path: String, below mountPoint: String) async throws { try await pass("mkdir below") }
    func removeMountPoint(_ path: String) throws { try enter("rmdir") }

    func takesWrites(at path: String) async throws -> Bool {
        state.withLock { state in
            state.mounts.last { $0.mountPoint == path }?.superOptions.contains("emergency_ro") == false
        }
    }

    func usage(at path: String) async throws -> FileSystemUsage {
        FileSystemUsage(
            totalBytes: 1, usedBytes: 0, availableBytes: 1, totalInodes: 1, usedInodes: 0, availableInodes: 1)
    }
}

extension FakeMachine.State {
    mutating func addMount(
        _ number: DeviceNumber, _ path: String, _ fsType: String, _ source: String, _ options: String = "rw"
    ) {
        nextID += 1
        mounts.append(
            MountInfo(
                id: nextID, parent: 1, major: number.major, minor: number.minor, root: "/", mountPoint: path,
                options: options, optionalFields: "", fsType: fsType, source: source, superOptions: "rw"))
    }
}
