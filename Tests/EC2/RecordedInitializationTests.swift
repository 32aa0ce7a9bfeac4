import Driver
import Testing

@testable import EC2

/// What the driver makes of `DescribeVolumeStatus`, which moto lacks.
@Suite(.timeLimit(.minutes(1))) struct RecordedInitializationTests {
    private static func status(_ state: String, _ details: String) -> PlayedEC2.Reply {
        .done(
            "DescribeVolumeStatus",
            "<volumeStatusSet><item><volumeId>\(Recorded.volumeID)</volumeId><volumeStatus><status>ok</status><details>"
                + "<item><name>io-enabled</name><status>passed</status></item>"
                + "<item><name>initialization-state</name><status>\(state)</status></item></details></volumeStatus>"
                + "<initializationStatusDetails>\(details)</initializationStatusDetails></item></volumeStatusSet>")
    }

    private static let provisioned =
        "<initializationType>provisioned-rate</initializationType><progress>42</progress>"
        + "<estimatedTimeToCompleteInSeconds>17</estimatedTimeToCompleteInSeconds>"

    @Test(arguments: [
        (
            status("initializing", provisioned),
            VolumeInitialization(
                kind: .provisionedRate, state: .initializing, progressPercent: 42, estimatedSecondsLeft: 17)
        ),
        (
            status("completed", "<initializationType>volume-copy</initializationType>"),
            VolumeInitialization(kind: .volumeCopy, state: .completed, progressPercent: 100)
        ),
        (status("completed", ""), nil), (.refused("UnauthorizedOperation", status: 403), nil), (.cut, nil),
        (.refused("RequestLimitExceeded", status: 503), nil),
    ])
    func whatEC2TellsOfAnInitializationIsShown(reply: PlayedEC2.Reply, expected: VolumeInitialization?) async throws {
        let restored = Recorded.volume().replacing(
            "<snapshotId/>", with: "<snapshotId>snap-0123456789abcdef0</snapshotId>")
        let ec2 = PlayedEC2 { asked, _ in
            asked.action == "DescribeVolumeStatus" ? reply : Recorded.described(restored)
        }
        let driver = try ec2.driver()
        #expect(try await driver.describeVolumes(.all).volumes.map(\.initialization) == [expected])
        #expect(ec2.parameters(of: "DescribeVolumeStatus").map { $0["VolumeId.1"] } == [Recorded.volumeID.rawValue])
    }

    /// Completed stays so, and a right does not come by itself.
    @Test(arguments: [
        (status("completed", "<initializationType>default</initializationType>"), 1),
        (.refused("UnauthorizedOperation", status: 403), 1), (.refused("InternalError", status: 500), 3),
        (status("initializing", provisioned), 3),
    ])
    func whatNeedNotBeAskedForAgainIsNot(reply: PlayedEC2.Reply, count: Int) async throws {
        let restored = Recorded.volume().replacing(
            "<snapshotId/>", with: "<snapshotId>snap-0123456789abcdef0</snapshotId>")
        let ec2 = PlayedEC2 { asked, _ in
            asked.action == "DescribeVolumeStatus" ? reply : Recorded.described(restored)
        }
        let driver = try ec2.driver()
        var told: [VolumeInitialization?] = []
        for _ in 1...3 { told += try await driver.describeVolumes(.all).volumes.map(\.initialization) }
        #expect(Set(told).count == 1)
        #expect(ec2.parameters(of: "DescribeVolumeStatus").count == count)
    }

    @Test func whatIsOfNoSnapshotIsNotAskedFor() async throws {
        let ec2 = PlayedEC2 { _, _ in Recorded.described(Recorded.volume()) }
        #expect(try await ec2.driver().describeVolumes(.all).volumes.map(\.initialization) == [nil])
        #expect(ec2.actions == ["DescribeVolumes"])
    }
}
