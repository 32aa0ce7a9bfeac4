// What the manager's tests play on: a region, a machine, a clock that is moved by hand, and one manager at a time.

import Driver
import FoundationEssentials
import Host
import Logging
import Platform
import Synchronization
import SystemPackage
import Testing

final class Stage: Sendable {
    let region: FakeRegion
    let machine: FakeMachine
    let clock = VirtualClock()
    let directory: TemporaryDirectory
    let instance: Instance
    /// What `mount -o` takes by default.
    let mountOptions: String?
    let volumeRootPath: String?

    init(
        region: FakeRegion = FakeRegion(), instance: InstanceID = "i-a", mountOptions: String? = nil,
        volumeRootPath: String? = nil
    ) throws {
        self.region = region
        self.mountOptions = mountOptions
        self.volumeRootPath = volumeRootPath
        machine = FakeMachine(region: region)
        directory = try TemporaryDirectory()
        self.instance = Instance(
            id: instance, zone: "us-east-1b", region: "us-east-1", name: instance.rawValue, state: .running,
            providerName: "fake")
    }

    var mounts: String { directory.path + "/state/mounts" }
    var settings: HostSettings {
        HostSettings(
            stateDirectory: directory.path + "/state", deviceDirectory: directory.path + "/dev",
            mountOptions: mountOptions, volumeRootPath: volumeRootPath)
    }

    /// A manager begins, as when the daemon starts.
    func begin() async throws -> VolumeManager {
        try await VolumeManager(
            driver: region, instance: instance, settings: settings, machine: machine, clock: clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Time passes, step by step, so that what wakes can go to sleep again.
    func pass(_ duration: Duration) async {
        for _ in 0..<20 {
            clock.advance(by: duration / 20)
            for _ in 0..<20 { await Task.yield() }
            try? await Task.sleep(for: .milliseconds(1))
        }
    }

    /// Waits, in real time, until something holds that is on its way.
    func until(_ what: String, _ condition: () async -> Bool) async throws {
        for _ in 0..<2000 {
            if await condition() { return }
            try await Task.sleep(for: .milliseconds(1))
        }
        Issue.record("never: \(what)")
    }

    /// Nothing of any volume is left on the machine, and nothing is attached.
    func expectClean(_ location: SourceLocation = #_sourceLocation) {
        #expect(machine.mountPoints == [], sourceLocation: location)
        #expect(machine.loopCount == 0, sourceLocation: location)
        #expect(machine.nodes == [], sourceLocation: location)
        #expect(machine.frozen == [], sourceLocation: location)
        let attached = region.state.withLock { state in state.volumes.values.filter { !$0.attachments.isEmpty } }
        #expect(attached.isEmpty, sourceLocation: location)
    }
}

let dockerd = Incarnation(pid: 500, startTimeTicks: 1)
let laterDockerd = Incarnation(pid: 900, startTimeTicks: 2)

func expectError(
    _ code: StorageError.Code, _ location: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async -> StorageError? {
    do {
        try await body()
        Issue.record("no error where \(code) was due", sourceLocation: location)
    } catch let error as StorageError {
        #expect(error.code == code, "\(error)", sourceLocation: location)
        return error
    } catch {
        Issue.record("\(error) where \(code) was due", sourceLocation: location)
    }
    return nil
}
