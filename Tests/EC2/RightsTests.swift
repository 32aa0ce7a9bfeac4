import AWSWire
import Driver
import Platform
import SystemPackage
import TestSupport
import Testing

@testable import EC2

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A server that computes each request's signature itself, by botocore, and looks up what its user may do.
@Suite(.timeLimit(.minutes(2))) struct RightsTests {
    /// One of the tests' own, since all of its callers are checked from then on.
    private struct GuardedMoto {
        let moto: MotoServer

        /// A user who may do what the policy says, and nothing else.
        func user(policy: String) async throws -> AWSCredentials {
            let user = ["UserName": "ebb", "Version": "2010-05-08"]
            func ask(_ action: [String: String]) async throws -> String {
                try await moto.ask("iam", user.merging(action) { $1 })
            }
            _ = try await ask(["Action": "CreateUser"])
            _ = try await ask(["Action": "PutUserPolicy", "PolicyName": "ebb", "PolicyDocument": policy])
            let key = try await ask(["Action": "CreateAccessKey"])
            return AWSCredentials(
                accessKeyID: try MotoServer.element("AccessKeyId", of: key),
                secretAccessKey: try MotoServer.element("SecretAccessKey", of: key))
        }

        func beginChecking() async throws {
            let door = moto.endpoint + "/moto-api/reset-auth"
            let answer = try await runCommand("curl", ["-sSf", "-H", "Content-Type: text/plain", "-d", "0", door])
            try #require(answer.status == 0, "\(answer)")
        }

        func driver(_ credentials: AWSCredentials, _ way: CountingWay = CountingWay()) throws -> EC2Driver {
            var access = EC2Access(
                region: "us-east-1", endpoint: try Endpoint(moto.endpoint),
                credentials: CredentialsCache(FixedCredentials(credentials), clock: SystemClock()))
            access.limits.consistencyTime = .seconds(2)
            return try EC2Driver(access, transport: way, clock: SystemClock(), random: SystemRandom())
        }
    }

    /// The policy that docs/ec2.md tells people to use.
    private static func documentedPolicy() throws -> (text: String, actions: Set<String>) {
        let root = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        let text = String(decoding: try readFile(root.appending("docs/ec2.md")), as: UTF8.self)
        let block = try #require(text.split(separator: "```json\n").dropFirst().first?.split(separator: "```").first)
        struct Policy: Decodable {
            struct Statement: Decodable { let Action: [String] }
            let Statement: [Statement]
        }
        let policy = try JSONDecoder().decode(Policy.self, from: Data(block.utf8))
        return (String(block), Set(policy.Statement.flatMap(\.Action)))
    }

    private func withGuardedMoto(_ body: (GuardedMoto) async throws -> Void) async throws {
        try await withMotoServer { try await body(GuardedMoto(moto: $0)) }
    }

    @Test func thePolicyOfTheDocumentIsEnoughAndNoMore() async throws {
        let policy = try Self.documentedPolicy()
        try await withGuardedMoto { moto in
            let instance = InstanceID(try await moto.moto.runInstance(in: "us-east-1a"))
            let credentials = try await moto.user(policy: policy.text)
            try await moto.beginChecking()
            let way = CountingWay()
            let driver = try moto.driver(credentials, way)
            #expect(try await driver.describeZones().isEmpty == false)
            #expect(try await driver.describeInstances().map(\.id) == [instance])
            let volume = try await driver.createVolume(
                CreateVolumeRequest(zone: "us-east-1a", sizeGiB: 1, type: .gp3, tags: [Tag.name: "data"]))
            _ = try await driver.modifyTags(ModifyTagsRequest(volumeID: volume.id, set: ["a": "b"]))
            _ = try await driver.modifyTags(ModifyTagsRequest(volumeID: volume.id, remove: ["a"]))
            _ = try await driver.attachVolume(AttachVolumeRequest(volumeID: volume.id, instanceID: instance))
            _ = try await driver.modifyVolume(ModifyVolumeRequest(volumeID: volume.id, sizeGiB: 2))
            let other = try await driver.createVolume(CreateVolumeRequest(zone: "us-east-1a", sizeGiB: 1, type: .gp3))
            _ = try await driver.attachVolume(AttachVolumeRequest(volumeID: other.id, instanceID: instance))
            let both = CreateSnapshotsRequest(sources: [.init(volumeID: volume.id), .init(volumeID: other.id)])
            var snapshots = try await driver.createSnapshots(both)
            snapshots += try await driver.createSnapshots(CreateSnapshotsRequest(sources: [.init(volumeID: other.id)]))
            // It computes the signature over the form as botocore writes it, with other blanks.
            snapshots.append(
                try await driver.copySnapshot(
                    CopySnapshotRequest(sourceSnapshotID: snapshots[0].id, description: "without-blanks")))
            let restored = try await driver.createVolume(
                CreateVolumeRequest(zone: "us-east-1a", snapshotID: snapshots[0].id))
            try await driver.deleteVolume(restored.id)
            for snapshot in snapshots { try await driver.deleteSnapshot(snapshot.id) }
            for volume in [volume, other] {
                try await driver.detachVolume(DetachVolumeRequest(volumeID: volume.id))
                try await driver.deleteVolume(volume.id)
            }
            // Which moto lacks, so that its right cannot be seen to be needed here.
            let unseen = policy.actions.subtracting(way.actions.map { "ec2:" + $0 })
            #expect(unseen == ["ec2:CopyVolumes"])
        }
    }

    @Test func whatIsNotAllowedIsToldInOneLine() async throws {
        try await withGuardedMoto { moto in
            let policy =
                #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}]}"#
            let credentials = try await moto.user(policy: policy)
            try await moto.beginChecking()
            let driver = try moto.driver(credentials)
            #expect(try await driver.describeVolumes(.all).volumes.isEmpty)
            let error = try await #require(throws: StorageError.self) {
                try await driver.createVolume(CreateVolumeRequest(zone: "us-east-1a", sizeGiB: 1, type: .gp3))
            }
            #expect(error.code.name == "AccessDenied" && error.message.contains("ec2:CreateVolume"), "\(error)")
            #expect(!"\(error)".contains("\n"))
        }
    }

    @Test func aWrongSignatureIsToldWithWhatToDo() async throws {
        try await withGuardedMoto { moto in
            let right = try await moto.user(policy: try Self.documentedPolicy().text)
            try await moto.beginChecking()
            #expect(try await moto.driver(right).describeVolumes(.all).volumes.isEmpty)
            for wrong in [
                AWSCredentials(accessKeyID: right.accessKeyID, secretAccessKey: "hush9f2c"),
                AWSCredentials(accessKeyID: "AKIANOBODY", secretAccessKey: "hush9f2c"),
            ] {
                let driver = try moto.driver(wrong)
                let error = try await #require(throws: StorageError.self) { try await driver.describeVolumes(.all) }
                #expect(error.code.name == "AuthFailure")
                #expect(error.advice == "see whether the credentials are right and not expired")
                #expect(!"\(error)".contains("hush9f2c") && !"\(error)".contains("\n"))
            }
        }
    }
}
