// The emulator under the suite that every driver passes, with the table that its filesystem is served from.
import BlockStore
import Driver
import Emulator
import Logging
import Platform
import StorageDriverConformance
import TestSupport
import Testing

@Suite struct EmulatorConformance {
    @Test("the emulator conforms", arguments: ConformanceCase.all)
    func conforms(_ behaviour: ConformanceCase) async throws {
        try await withTemporaryDirectory { directory in
            let store = try VolumeStore(directory: directory.appending("volumes"))
            let driver = try await EmulatorDriver(
                configuration: RegionConfiguration(
                    mountPoint: directory.appending("mnt"),
                    modification: ModificationPolicy(modifying: .milliseconds(10), optimizing: .seconds(600))),
                stateDirectory: directory, exports: try ExportTable(store: store, clock: SystemClock()),
                clock: SystemClock(), random: SeededRandom(seed: 1), logger: Logger(label: "test"))
            #expect(behaviour.needs.isSubset(of: driver.describeDriver().capabilities))
            try await behaviour.run(try await ConformanceSubject.registering(on: driver, directory: directory.string))
            #expect(try await driver.describeVolumes(.all).volumes.isEmpty, "the case leaves nothing behind")
            #expect(try store.names().isEmpty)
            for region in ["us-east-1", "eu-north-1"] {
                let left = try await driver.describeSnapshots(SnapshotQuery(region: region)).snapshots
                #expect(left.isEmpty, "in \(region)")
            }
            try await driver.close()
        }
    }
}
