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

    private static let region = Task {
        let moto = try await MotoServer()
        // It loads what it knows of EC2 with the first call, for seconds.
        _ = try await moto.runInstance(in: "us-east-1a")
        return try MotoRegion(moto)
    }

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
        let elsewhere = try await driver.run(1, in: "us-east-1b")
        return ConformanceSubject(
            driver: driver, instances: try await driver.run(3, in: "us-east-1a"), elsewhere: elsewhere[0],
            directory: directory, label: "case-\(SystemRandom().hexDigits(8))")
    }
}

extension EC2Driver {
    /// Starts instances of an image that moto has.
    func run(_ count: Int, in zone: ZoneName) async throws -> [Instance] {
        let answer = try await client.send(
            RunInstances(
                imageId: "ami-12c6146b", maxCount: count, minCount: count,
                placement: .init(availabilityZone: zone.rawValue)))
        var instances: [Instance] = []
        for item in answer.instancesSet { instances.append(try await instance(InstanceID(item.instanceId))) }
        return instances
    }
}

/// The driver starts no instances, its tests do.
private struct RunInstances: EC2Action {
    typealias Answer = DescribeInstances.Reservation

    var imageId: String
    var maxCount: Int
    var minCount: Int
    var placement: Placement

    struct Placement: Codable, Sendable { var availabilityZone: String }

    var isRepeatable: Bool { false }
}
