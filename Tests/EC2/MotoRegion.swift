import AWSWire
import Driver
import Platform
import StorageDriverConformance
import TestSupport
import Testing

@testable import EC2

/// A region of moto's, a server that no one here wrote. Shared by the tests of a process: each has its own instances,
/// makes its own volumes, and looks at no others.
struct MotoRegion: Sendable {
    let moto: MotoServer
    let access: EC2Access

    static func shared() async throws -> MotoRegion { try await region.value }

    private static let region = Task { try MotoRegion(try await MotoServer()) }

    private init(_ moto: MotoServer) throws {
        self.moto = moto
        let credentials = FixedCredentials(AWSCredentials(accessKeyID: "AKIDANYBODY", secretAccessKey: "any"))
        var access = EC2Access(
            region: "us-east-1", endpoint: try Endpoint(moto.endpoint),
            credentials: CredentialsCache(credentials, clock: SystemClock()))
        // It does what it is told at once, or never.
        access.limits.backoff.first = .milliseconds(20)
        access.limits.consistencyTime = .seconds(2)
        access.limits.callTime = .seconds(20)
        access.limits.waitTime = .seconds(20)
        self.access = access
    }

    func driver(
        scope: EC2Scope? = nil, transport: any WireTransport = HTTPTransport(),
        _ change: (inout EC2Access) -> Void = { _ in }
    ) throws -> EC2Driver {
        var access = access
        change(&access)
        return try EC2Driver(access, scope: scope, transport: transport, clock: SystemClock(), random: SystemRandom())
    }

    /// The driver with three instances in one zone and one in another, that nobody else uses.
    func subject(_ driver: EC2Driver, directory: String) async throws -> ConformanceSubject {
        let elsewhere = try await run(1, in: "us-east-1b", driver)
        return ConformanceSubject(
            driver: driver, instances: try await run(3, in: "us-east-1a", driver), elsewhere: elsewhere[0],
            directory: directory, label: "case-\(SystemRandom().hexDigits(8))")
    }

    /// Starts instances, without a limit of time: moto loads what it knows of EC2 with the first call.
    func run(_ count: Int, in zone: String, _ driver: EC2Driver) async throws -> [Instance] {
        var instances: [Instance] = []
        for _ in 0..<count {
            instances.append(try await driver.instance(InstanceID(try await moto.runInstance(in: zone))))
        }
        return instances
    }
}
