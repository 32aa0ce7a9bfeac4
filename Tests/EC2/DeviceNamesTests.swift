import Driver
import Platform
import Testing

@testable import EC2

@Suite struct DeviceNamesTests {
    private let clock = VirtualClock()
    private let names: DeviceNames

    init() {
        clock.advance(by: .seconds(100))
        names = DeviceNames(clock: clock)
    }

    private func reserve(
        _ instance: InstanceID = "i-1", taken: Set<String> = [], except tried: Set<DeviceName> = []
    ) throws -> DeviceName {
        try names.reserve(on: instance, taken: taken, except: tried)
    }

    @Test func theFirstThatIsFree() throws {
        #expect(try reserve(taken: ["xvda", "xvdb", "xvdd"]) == "/dev/xvdc")
    }

    @Test func nobodyGetsWhatIsBeingAttached() throws {
        let first = try reserve()
        #expect(try reserve() != first)
        #expect(try reserve("i-2") == first)
        names.release(first, on: "i-1")
        #expect(try reserve() == first)
    }

    @Test func whatMadeTroubleComesLastAndTheLatestAtTheEnd() throws {
        names.distrust("/dev/xvdb", on: "i-1")
        clock.advance(by: .seconds(1))
        names.distrust("/dev/sdc", on: "i-1")
        #expect(try reserve() == "/dev/xvdd")
        let others = Set(DeviceSlots.automatic.map(DeviceSlots.slot)).subtracting(["xvdb", "xvdc"])
        #expect(try reserve(taken: others) == "/dev/xvdb")
        #expect(try reserve(taken: others) == "/dev/xvdc")
        #expect(try reserve("i-2") == "/dev/xvdb")
    }

    @Test func thereIsAnEnd() throws {
        for _ in DeviceSlots.automatic { _ = try reserve() }
        let error = #expect(throws: StorageError.self) { try reserve() }
        #expect(error?.code == .attachmentLimitExceeded)
        #expect(throws: StorageError.self) { try reserve("i-2", except: Set(DeviceSlots.automatic)) }
    }
}
