// The driver of a daemon elsewhere: it is held to the same suite as the region behind it.
import Driver
import Emulator
import Platform
import RPC
import StorageDriverConformance
import SystemPackage
import TestSupport
import Testing

@testable import RPCServer

@Suite struct RemoteDriverConformance {
    @Test("the remote driver conforms over a real socket", arguments: ConformanceCase.all)
    func conforms(_ behaviour: ConformanceCase) async throws {
        // The server's clock stands still: what is modified takes effect at once, and optimizes for good.
        try await withServer(modification: ModificationPolicy(modifying: .zero)) { server in
            let driver = server.remote()
            #expect(behaviour.needs.isSubset(of: try await driver.describeDriver().capabilities))
            try await withTemporaryDirectory { files in
                try await behaviour.run(
                    try await ConformanceSubject.registering(on: driver, directory: files.string))
            }
            #expect(try await server.driver.describeVolumes(.all).volumes.isEmpty, "the case leaves nothing behind")
        }
    }
}

@Suite struct ClientTests {
    private static let request = CreateVolumeRequest(zone: "us-east-1b", sizeGiB: 1, type: .gp3)

    @Test("the socket of a dead daemon gives the socket and what to do")
    func deadDaemon() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("ebb.sock")
            let missing = RPCClient(socketPath: path.string, timeout: .seconds(5))
            var error = #expect(throws: StorageError.self) { try missing.call(Ebb.DescribeZones.self) }
            #expect(error?.code == .unavailable)
            #expect(error?.description.contains(path.string) == true)
            #expect(error?.advice?.contains("ebb service start") == true)

            let listener = try UnixListener(path: path, mode: [.ownerReadWrite])
            try listener.show()
            try listener.descriptor.close()
            error = #expect(throws: StorageError.self) { try missing.call(Ebb.DescribeZones.self) }
            #expect(error?.code == .unavailable && error?.cause?.contains("refused") == true)
            let remote = RemoteDriver(
                socketPath: path.string, timeout: .seconds(5), clock: SystemClock(), random: SystemRandom())
            error = await #expect(throws: StorageError.self) { try await remote.describeZones() }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("errors arrive with code, cause and advice")
    func errorsArriveWhole() async throws {
        let told = StorageError(.volumeInUse, "It is \"used\"\nhere", cause: "by é", advice: "wait")
        try await withServer(wrap: { Faulty($0, error: told) }) { server in
            let error = await #expect(throws: StorageError.self) { try await server.remote().deleteVolume("vol-1") }
            #expect(error == told)
            let client = server.client()
            await #expect(throws: told) {
                try await blocking { try client.call(Ebb.DeleteVolume.self, .init(volumeID: "vol-1")) }
            }
        }
    }

    @Test("a client outlives a restart of the daemon")
    func survivesRestart() async throws {
        try await withEmulator { driver, instance, directory in
            let path = directory.appending("ebb.sock")
            let service = RPCService(
                driver: driver, host: FakeHost(driver: driver, instance: instance), instance: instance,
                version: "0", clock: SystemClock(), random: SeededRandom(seed: 3))
            let client = RPCClient(socketPath: path.string, timeout: .seconds(10))
            let remote = RemoteDriver(
                socketPath: path.string, timeout: .seconds(10), clock: SystemClock(), random: SystemRandom())
            for _ in 0..<3 {
                try await serving(service, at: path) {
                    #expect(try await zoneCount(client) == 6)
                    // Not repeatable, and yet safe: the broken connection is noticed before anything is sent.
                    let volume = try await remote.createVolume(Self.request)
                    try await remote.deleteVolume(volume.id)
                }
            }
        }
    }

    @Test("a call whose answer is lost is made again only if that does no harm")
    func repeatsWithCare() async throws {
        let isolated = try await withFlakyServer(answers: 1) { socketPath, requests in
            let remote = RemoteDriver(
                socketPath: socketPath, timeout: .seconds(10), clock: SystemClock(), random: SystemRandom())
            let zones = try await remote.describeZones()
            #expect(zones == [])
            #expect(requests() == 2, "asked twice, answered once")
            let error = await #expect(throws: StorageError.self) { try await remote.deleteVolume("vol-1") }
            #expect(error?.code == .unavailable && error?.message.contains("Ebb.DeleteVolume") == true)
            #expect(error?.advice?.contains("may have taken effect") == true)
            return requests()
        }
        #expect(isolated == 3, "the deletion is not repeated")
    }

    @Test("what makes something is repeatable with a client token only; an empty one is none")
    func repeatableWithToken() {
        for (token, isRepeatable) in [(nil, false), ("", false), ("t", true)] as [(String?, Bool)] {
            var volume = Self.request
            volume.clientToken = token
            #expect(clientRepeats(Ebb.CreateVolume.self, volume) == isRepeatable)
            let snapshot = StartSnapshotRequest(clientToken: token, volumeSizeGiB: 1)
            #expect(clientRepeats(Ebb.StartSnapshot.self, snapshot) == isRepeatable)
        }
    }

    /// As the clients ask, who know no more than that it is a method.
    private func clientRepeats<Method: RPCMethod>(
        _ method: Method.Type, _ parameters: Method.Parameters
    ) -> Bool {
        Method.isRepeatable(parameters)
    }

    @Test("a daemon that does not answer costs the timeout and no more")
    func timesOut() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("ebb.sock")
            let listener = try UnixListener(path: path, mode: [.ownerReadWrite])
            try listener.show()
            let client = RPCClient(socketPath: path.string, timeout: .milliseconds(200))
            let start = ContinuousClock.now
            let error = await #expect(throws: StorageError.self) { try await zoneCount(client) }
            #expect(error?.code == .deadlineExceeded)
            #expect(start.duration(to: .now) < .seconds(5))
            try listener.descriptor.close()
        }
    }

    @Test("a wait that is interrupted ends, unless the answer comes")
    func interrupts() async throws {
        let pipe = try makePipe()
        defer {
            pipe.readEnd.closeIgnoringErrors()
            pipe.writeEnd.closeIgnoringErrors()
        }
        try pipe.writeEnd.writeAll([1])
        try await withServer { server in
            let zones = try await blocking {
                try server.client().call(Ebb.DescribeZones.self, Empty(), interruptedBy: pipe.readEnd).zones
            }
            #expect(zones.count == 6)
        }
        try await withTemporaryDirectory { directory in
            let path = directory.appending("ebb.sock")
            let listener = try UnixListener(path: path, mode: [.ownerReadWrite])
            try listener.show()
            let start = ContinuousClock.now
            let error = await #expect(throws: StorageError.self) {
                try await blocking {
                    try RPCClient(socketPath: path.string)
                        .call(Ebb.DescribeZones.self, Empty(), interruptedBy: pipe.readEnd)
                }
            }
            #expect(error?.code == .deadlineExceeded)
            #expect(start.duration(to: .now) < .seconds(60))
            try listener.descriptor.close()
        }
    }

    @Test("cancelling the task ends the wait")
    func cancels() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.appending("ebb.sock")
            let listener = try UnixListener(path: path, mode: [.ownerReadWrite])
            try listener.show()
            let remote = RemoteDriver(
                socketPath: path.string, timeout: .seconds(60), clock: SystemClock(), random: SystemRandom())
            let task = Task { try await remote.describeZones() }
            try await Task.sleep(for: .milliseconds(100))
            let start = ContinuousClock.now
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(start.duration(to: .now) < .seconds(5))
            try listener.descriptor.close()
        }
    }

    @Test("many calls at once share few connections")
    func callsAtOnce() async throws {
        try await withServer(connectionLimit: 4) { server in
            let remote = server.remote(limit: 4)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        var request = Self.request
                        request.tags = [Tag.name: "v\(number)"]
                        _ = try await remote.createVolume(request)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await remote.describeVolumes(.all).volumes.count == 200)
        }
    }

    @Test("ten thousand volumes come in one answer")
    func longLists() async throws {
        let volumes = (0..<10_000).map { number in
            var volume = randomHostVolume(SeededRandom(seed: UInt64(number))).volume
            volume.tags[Tag.name] = "volume\(number)"
            return volume
        }
        try await withServer(wrap: { Faulty($0, volumes: volumes) }) { server in
            let page = try await server.remote().describeVolumes(.all)
            #expect(page.volumes == volumes)
            let client = server.client()
            let hostVolumes = try await blocking { try client.hostVolumes() }
            #expect(hostVolumes.map(\.volume) == volumes)
        }
    }
}

/// A region that answers some calls by itself.
private struct Faulty: DriverInFront {
    let base: any StorageDriver
    var error: StorageError?
    var volumes: [Volume]?

    init(_ base: any StorageDriver, error: StorageError? = nil, volumes: [Volume]? = nil) {
        self.base = base
        self.error = error
        self.volumes = volumes
    }

    func describeVolumes(_ query: VolumeQuery) async throws -> VolumePage {
        if let volumes { return VolumePage(volumes: volumes) }
        return try await base.describeVolumes(query)
    }
    func deleteVolume(_ id: VolumeID) async throws {
        if let error { throw error }
        try await base.deleteVolume(id)
    }
}

/// A server that reads requests and hangs up, except that it answers every request but the first with no zones, until
/// it has given so many answers.
private func withFlakyServer<Result: Sendable>(
    answers: Int, _ body: (String, @Sendable () -> Int) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { directory in
        let path = directory.appending("ebb.sock")
        let listener = try UnixListener(path: path, mode: [.ownerReadWrite])
        try listener.show()
        let counter = Counter()
        let thread = KernelThread(name: "flaky") {
            while let socket = try? acceptConnection(on: listener.descriptor) {
                let stream = UnixStream(adopting: socket)
                var buffer: [UInt8] = []
                guard let count = try? stream.receive(into: &buffer, timeout: .seconds(10)), count > 0 else { return }
                let number = counter.increment()
                if number == 1 || number > 1 + answers { continue }
                try? stream.send(
                    Array((#"{"jsonrpc":"2.0","id":1,"result":{"zones":[]}}"# + "\n").utf8), timeout: .seconds(5))
            }
        }
        thread.start()
        let stop = {
            // A connection that says nothing ends the thread.
            let last = try UnixStream(connectingTo: path, timeout: .seconds(5))
            last.finishSending()
            thread.join()
            try listener.descriptor.close()
        }
        return try await withCleanup(stop) { try await body(path.string) { counter.value } }
    }
}
