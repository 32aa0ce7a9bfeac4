import AWSWire
import Driver
import Platform
import Synchronization
import Testing

@testable import EC2

/// What is asked again and what is not, and what people are told.
@Suite(.timeLimit(.minutes(1))) struct EC2ClientTests {
    private let clock = HastyClock()

    private func client(_ ec2: PlayedEC2) throws -> EC2Client {
        try EC2Client(try ec2.access(), transport: ec2, clock: clock, random: SeededRandom(seed: 1))
    }

    private func refusal(
        of action: some EC2Action, _ ec2: PlayedEC2, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> StorageError {
        let client = try client(ec2)
        return try #require(
            await #expect(throws: StorageError.self, sourceLocation: sourceLocation) { try await client.send(action) },
            sourceLocation: sourceLocation)
    }

    private let zones = PlayedEC2.Reply.done(
        "DescribeAvailabilityZones",
        "<availabilityZoneInfo><item><zoneName>us-east-1a</zoneName></item></availabilityZoneInfo>")
    private let volume = DeleteVolume(volumeId: "vol-00000000000000001")

    @Test(arguments: [
        PlayedEC2.Reply.refused("RequestLimitExceeded", status: 503), .refused("InternalError", status: 500),
        .refused("Unavailable", status: 503), .answer(status: 502, body: "<html>Bad Gateway</html>"), .cut,
        .answer(status: 200, body: "<DescribeAvailabilityZonesResponse><availab"),
    ])
    func whatMayHealIsAskedAgain(reply: PlayedEC2.Reply) async throws {
        let ec2 = PlayedEC2(reply, reply, zones)
        let answer = try await client(ec2).send(DescribeAvailabilityZones())
        #expect(answer.availabilityZoneInfo.map(\.zoneName) == ["us-east-1a"])
        #expect(ec2.actions.count == 3)
    }

    @Test(arguments: [
        ("InvalidVolume.NotFound", 400), ("UnauthorizedOperation", 403), ("AuthFailure", 401),
        ("OptInRequired", 401), ("InvalidParameterValue", 400),
    ])
    func whatCannotHealIsNot(code: String, status: Int) async throws {
        let ec2 = PlayedEC2(.refused(code, "Why not.", status: status))
        let error = try await refusal(of: DescribeAvailabilityZones(), ec2)
        #expect(error.code == StorageError.Code(code) && error.message == "Why not.")
        #expect(ec2.actions.count == 1)
    }

    @Test func askingAgainEnds() async throws {
        let ec2 = PlayedEC2(.refused("RequestLimitExceeded", "Slower.", status: 503))
        let error = try await refusal(of: DescribeAvailabilityZones(), ec2)
        #expect(error.code.name == "RequestLimitExceeded")
        #expect(clock.uptime() <= EC2Limits().callTime)
        #expect((15...60).contains(ec2.actions.count), "\(ec2.actions.count) in a minute")
    }

    /// Why EC2 cannot be reached is told, and not that the last attempt came too late.
    @Test func noAttemptIsTooShortForAnAnswer() async throws {
        for seed: UInt64 in 1...200 {
            let ec2 = PlayedEC2(.cut)
            let client = try EC2Client(
                try ec2.access(), transport: ec2, clock: clock, random: SeededRandom(seed: seed))
            await #expect(throws: StorageError.self) { try await client.send(DescribeAvailabilityZones()) }
            let shortest = try #require(ec2.times.min())
            #expect(shortest >= .milliseconds(100), "seed \(seed)")
        }
    }

    /// Throttled means that nothing was done.
    @Test func whatMustNotBeRepeatedIsAfterThrottling() async throws {
        let ec2 = PlayedEC2(.refused("RequestLimitExceeded", status: 503), .done("DeleteVolume"))
        _ = try await client(ec2).send(volume)
        #expect(ec2.actions.count == 2)
    }

    @Test(arguments: [
        PlayedEC2.Reply.cut, .refused("InternalError", status: 500), .answer(status: 200, body: "<DeleteVol"),
    ])
    func whatMayHaveBeenDoneIsNotRepeated(reply: PlayedEC2.Reply) async throws {
        let ec2 = PlayedEC2(reply)
        let client = try client(ec2)
        await #expect(throws: UncertainCall.self) { try await client.send(volume) }
        #expect(ec2.actions.count == 1)
    }

    @Test(arguments: [
        "<html><body>It works!</body></html>", "{\"zones\": []}", "", "<DescribeVolumesResponse/>",
        "<!DOCTYPE r [<!ENTITY e \"boom\">]><DescribeAvailabilityZonesResponse>&e;</DescribeAvailabilityZonesResponse>",
        "<DescribeAvailabilityZonesResponse>&e;</DescribeAvailabilityZonesResponse>",
    ])
    func whatIsNoAnswerOfEC2IsToldSo(body: String) async throws {
        let ec2 = PlayedEC2(.answer(status: 200, body: body))
        let error = try await refusal(of: DescribeAvailabilityZones(), ec2)
        #expect(error.message == "http://ec2.test does not answer DescribeAvailabilityZones as EC2 does")
        #expect(error.advice != nil && !error.description.contains("\n"))
        #expect(ec2.actions.count == 3)
    }

    @Test func aPageOfAProxyIsNoRefusalOfEC2() async throws {
        let ec2 = PlayedEC2(.answer(status: 403, body: "<html>Forbidden</html>"))
        let error = try await refusal(of: DescribeAvailabilityZones(), ec2)
        #expect(error.message.contains("status 403"))
        #expect(ec2.actions.count == 1)
    }

    @Test func whoCannotBeReachedIsNamed() async throws {
        let error = try await refusal(of: DescribeAvailabilityZones(), PlayedEC2(.cut))
        #expect(error.code == .unavailable)
        #expect(error.cause == "http://ec2.test cannot be reached: connection reset by peer")
    }

    @Test(arguments: [
        ("Thu, 26 Nov 2026 23:26:27 GMT", "the clock of this machine is 20 minutes ahead; set it"),
        ("Fri, 27 Nov 2026 00:06:27 GMT", "the clock of this machine is 20 minutes behind; set it"),
        ("Thu, 26 Nov 2026 23:45:00 GMT", nil),
    ])
    func aWrongClockIsNamed(date: String, cause: String?) async throws {
        guard case .answer(_, let body, _) = PlayedEC2.Reply.refused("AuthFailure", "No.") else { return }
        let ec2 = PlayedEC2(.answer(status: 401, body: body, headers: ["date": date]))
        let error = try await refusal(of: DescribeAvailabilityZones(), ec2)
        #expect(error.cause == cause)
        #expect(error.advice == "see whether the credentials are right and not expired")
    }

    @Test func theKeyIsNotInWhatIsTold() async throws {
        let error = try await refusal(of: DescribeAvailabilityZones(), PlayedEC2(.refused("AuthFailure", status: 401)))
        #expect(!error.description.contains("hush"))
    }

    @Test func whoHasNoCredentialsIsToldWhy() async throws {
        let identity = try AWSIdentity(
            environment: ["AWS_EC2_METADATA_DISABLED": "true"], home: "/nowhere", clock: clock,
            random: SeededRandom(seed: 1))
        let ec2 = PlayedEC2(zones)
        var access = try ec2.access()
        access.credentials = identity.credentials
        let client = try EC2Client(access, transport: ec2, clock: clock, random: SeededRandom(seed: 1))
        let error = await #expect(throws: StorageError.self) { try await client.send(DescribeAvailabilityZones()) }
        #expect(error?.code == .unauthorized && error?.cause?.contains("AWS_ACCESS_KEY_ID") == true)
        #expect(ec2.actions.isEmpty)
    }

    /// Those of a role end, and there are new ones.
    @Test func refusedCredentialsAreAskedForAnew() async throws {
        final class Roles: CredentialsSource {
            let count = Mutex(0)

            func credentials() async throws -> AWSCredentials {
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                return AWSCredentials(accessKeyID: "AKID\(number)", secretAccessKey: "hush")
            }
        }
        let roles = Roles()
        let ec2 = PlayedEC2(.refused("ExpiredToken", status: 400), zones, zones)
        var access = try ec2.access()
        access.credentials = CredentialsCache(roles, clock: VirtualClock())
        let client = try EC2Client(access, transport: ec2, clock: clock, random: SeededRandom(seed: 1))
        await #expect(throws: StorageError.self) { try await client.send(DescribeAvailabilityZones()) }
        for _ in 0..<2 { _ = try await client.send(DescribeAvailabilityZones()) }
        #expect(roles.count.withLock { $0 } == 2)
    }

    @Test func waitingEndsWithItsTask() async throws {
        let ec2 = PlayedEC2(.refused("RequestLimitExceeded", status: 503))
        let client = try EC2Client(
            try ec2.access(), transport: ec2, clock: VirtualClock(), random: SeededRandom(seed: 1))
        let asking = Task { try await client.send(DescribeAvailabilityZones()) }
        asking.cancel()
        await #expect(throws: CancellationError.self) { try await asking.value }
    }

    @Test(arguments: [
        ("us-east-1", "https://ec2.us-east-1.amazonaws.com"), ("cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn"),
    ])
    func aRegionHasItsEndpoint(region: String, endpoint: String) throws {
        var access = try PlayedEC2(.cut).access()
        access.region = region
        access.endpoint = nil
        #expect(try "\(access.resolvedEndpoint())" == endpoint)
    }
}
