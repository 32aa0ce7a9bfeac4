import Driver
import Platform
import StorageDriverConformance
import TestSupport
import Testing

@testable import EC2

/// The driver against moto, under the suite that every driver passes.
@Suite(.timeLimit(.minutes(5))) struct EC2Conformance {
    @Test("the driver conforms", arguments: ConformanceCase.all)
    func conforms(_ behaviour: ConformanceCase) async throws {
        let region = try await MotoRegion.shared()
        let driver = try region.driver()
        guard try await behaviour.needs.isSubset(of: driver.describeDriver().capabilities) else { return }
        // The server is one process, and slow: not all come at once.
        try await Self.lanes.withLock(Self.lane(of: behaviour)) {
            try await check(behaviour, region, driver)
        }
    }

    private static let lanes = KeyedLocks<Int>()

    private static func lane(of behaviour: ConformanceCase) -> Int {
        (ConformanceCase.all.firstIndex { $0.name == behaviour.name } ?? 0) % 6
    }

    private func check(_ behaviour: ConformanceCase, _ region: MotoRegion, _ driver: EC2Driver) async throws {
        try await withTemporaryDirectory { directory in
            let subject = try await region.subject(driver, directory: directory.string)
            if MotoDifferences.all[behaviour.name] == nil {
                try await behaviour.run(subject)
            } else {
                await #expect(throws: (any Error).self, "moto has learned it: take the case out of the table") {
                    try await behaviour.run(subject)
                }
            }
        }
    }

    @Test func theTableNamesCases() {
        #expect(Set(MotoDifferences.all.keys).subtracting(ConformanceCase.all.map(\.name)) == [])
    }
}

/// Where moto 5.2 does something else than EC2: the case, and why it cannot pass. `RecordedExchangeTests` has what the
/// driver does with EC2's own answers there.
enum MotoDifferences {
    private static let noTokens = "it knows no client tokens"
    private static let noLimits = "it checks no sizes, IOPS, throughput or types"
    private static let anyAttachment = "it attaches what is attached, anywhere, under any name"
    private static let noBaseline = "it tells no IOPS that follow from a size, and no throughput that nobody asked for"
    private static let anyTags = "it takes tags of any number and form"
    private static let noCopies = "it has no CopyVolumes"
    private static let noZones = "it fails with a status 500 when there is no such zone"
    private static let atOnce = "its snapshots are completed at once"
    private static let copyOfVolume = "its copies of snapshots are of the volume that their source is of"
    private static let noStatus = "it has no DescribeVolumeStatus"
    private static let anyModification = "it modifies at once, to anything, and again"

    static let all: [String: String] = [
        "a client token of more than 64 characters is refused": noTokens,
        "a client token whose volume was deleted is refused": noTokens,
        "a client token with other parameters is refused": noTokens,
        "a repeated client token gives the same volume, as it is now": noTokens,
        "a repeated request for a volume of a snapshot is answered once more": noTokens,
        "many creates with one client token make one volume": noTokens,
        "IOPS, throughput and Multi-Attach beyond a type's limits are refused": noLimits,
        "sizes beyond a type's limits are refused in EC2's words": noLimits,
        "an unknown type is refused": noLimits,
        "a larger volume than the snapshot is allowed, a smaller one refused": noLimits,
        "a request of no volume, of one twice, or with a long description is refused": noLimits,
        "a zone that does not exist, or none, is refused": noZones,
        "the zone is checked before the tags, the tags before the limits": noZones,
        "a Multi-Attach volume attaches to several instances": anyAttachment,
        "a device that is taken is refused": anyAttachment,
        "a name that is no device is refused": anyAttachment,
        "a volume in use is refused, and its holder is named": anyAttachment,
        "an instance of another zone is refused, and both zones are named": anyAttachment,
        "of many attaches of one volume, one succeeds": anyAttachment,
        "IOPS and throughput are reported as the type has them": noBaseline,
        "IOPS and throughput that are left open follow from the types": noBaseline,
        "a request without a type makes a gp2 volume with its baseline": noBaseline,
        "a modification tells what was and what shall be, and then is so": noBaseline,
        "tags against EC2's rules are refused": anyTags,
        "tags of snapshots are set, overwritten and removed, and those against EC2's rules refused": anyTags,
        "a copy of a volume is a volume of its own": noCopies,
        "a copy of a volume is answered at once, once more, and made soon": noCopies,
        "a copy of what is not there, in another zone, or smaller is refused": noCopies,
        "a volume of a snapshot has its size, and tells what it was made from": noStatus,
        "with an initialization rate a volume is initialized in the background": noStatus,
        "changes beyond the limits are refused, and change nothing": anyModification,
        "one modification runs at a time": anyModification,
        "only io2's Multi-Attach can be changed, and only while it is not attached": anyModification,
        "a snapshot is pending at once, and completed soon": atOnce,
        "a copy has its own name and description, no volume, and outlives its source": copyOfVolume,
    ]
}
