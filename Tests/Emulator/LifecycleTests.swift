// The state machines alone: every state with every event.
import Driver
import Testing

@testable import Emulator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

private func volume(
    _ state: VolumeLifecycle.State, attachments: [AttachmentRecord] = []
) -> VolumeRecord {
    VolumeRecord(
        number: VolumeNumber(1), id: "vol-00000000000000001", zone: "us-east-1b",
        specification: VolumeSpecification(type: .gp3, sizeGiB: 1, iops: 3_000, throughputMiBps: 125),
        isMultiAttachEnabled: false, createTime: Date(milliseconds: 0), tags: [:], state: state,
        attachments: attachments)
}

private func attachment(_ state: AttachmentLifecycle.State, number: Int64 = 1) -> AttachmentRecord {
    AttachmentRecord(
        number: AttachmentNumber(number), volume: VolumeNumber(1), instance: "i-1", device: "/dev/xvdb",
        attachTime: Date(milliseconds: 0), state: state)
}

@Suite struct VolumeLifecycleTests {
    /// Where each event leads; what is not here is refused.
    static let transitions: [(VolumeLifecycle.State, VolumeLifecycle.Event, VolumeLifecycle.State)] = [
        (.creating, .bytesMade, .available), (.available, .deletionBegan, .deleting),
        (.error, .deletionBegan, .deleting), (.available, .bytesLost, .error),
    ]

    @Test(
        "every event in every state leads where it should, or is refused and changes nothing",
        arguments: VolumeLifecycle.State.allCases, VolumeLifecycle.Event.allCases)
    func transition(_ state: VolumeLifecycle.State, _ event: VolumeLifecycle.Event) {
        var subject = volume(state)
        let expected = Self.transitions.first { $0.0 == state && $0.1 == event }?.2
        if let expected {
            #expect(throws: Never.self) { try subject.apply(event) }
            #expect(subject.state == expected)
        } else {
            let error = #expect(throws: StorageError.self) { try subject.apply(event) }
            #expect(error?.code == .incorrectState)
            #expect(subject == volume(state))
        }
    }

    @Test("a volume with an attachment is in-use and cannot be deleted")
    func inUse() {
        var subject = volume(.available, attachments: [attachment(.attached)])
        #expect(subject.reportedState == .inUse)
        let error = #expect(throws: StorageError.self) { try subject.apply(.deletionBegan) }
        #expect(error?.code == .volumeInUse)
        #expect(error?.message == "Volume vol-00000000000000001 is currently attached to i-1")
        #expect(subject.state == .available)
    }

    @Test("a volume that loses its bytes is attached to nothing")
    func lost() throws {
        var subject = volume(.available, attachments: [attachment(.attached)])
        try subject.apply(.bytesLost)
        #expect(subject.attachments.isEmpty)
        #expect(subject.reportedState == .error)
    }

    @Test("only an available volume takes an attachment", arguments: VolumeLifecycle.State.allCases)
    func attaching(_ state: VolumeLifecycle.State) {
        var subject = volume(state)
        if state == .available {
            #expect(throws: Never.self) { try subject.attach(attachment(.attaching)) }
            #expect(subject.attachments.count == 1)
        } else {
            let error = #expect(throws: StorageError.self) { try subject.attach(attachment(.attaching)) }
            #expect(error?.code == .incorrectState)
            #expect(subject.attachments.isEmpty)
        }
    }
}

@Suite struct AttachmentLifecycleTests {
    static let transitions: [(AttachmentLifecycle.State, AttachmentLifecycle.Event, AttachmentLifecycle.State)] = [
        (.attaching, .exported, .attached), (.attached, .detachBegan, .detaching),
        (.attaching, .detachBegan, .detaching),
    ]

    @Test(
        "every event in every state leads where it should, or is refused and changes nothing",
        arguments: AttachmentLifecycle.State.allCases, AttachmentLifecycle.Event.allCases)
    func transition(_ state: AttachmentLifecycle.State, _ event: AttachmentLifecycle.Event) {
        let before = volume(.available, attachments: [attachment(state), attachment(.attached, number: 2)])
        var subject = before
        if let next = Self.transitions.first(where: { $0.0 == state && $0.1 == event })?.2 {
            #expect(throws: Never.self) { try subject.apply(event, to: AttachmentNumber(1)) }
            #expect(subject.attachments.map(\.state) == [next, .attached])
        } else if state == .detaching, event == .drained {
            #expect(throws: Never.self) { try subject.apply(event, to: AttachmentNumber(1)) }
            #expect(subject.attachments.map(\.number) == [AttachmentNumber(2)])
        } else {
            #expect(throws: StorageError.self) { try subject.apply(event, to: AttachmentNumber(1)) }
            #expect(subject == before)
        }
    }

    @Test("an attachment that is not there takes no event")
    func unknown() {
        var subject = volume(.available)
        #expect(throws: StorageError.self) { try subject.apply(.detachBegan, to: AttachmentNumber(9)) }
    }
}

@Suite struct DeviceSlotTests {
    @Test("EC2's device names are taken", arguments: ["sda", "sdf", "sdz", "xvda", "xvdz", "xvdba", "xvdcz", "xvddx"])
    func valid(_ name: String) {
        #expect(DeviceSlots.isValid(DeviceName(name)))
    }

    @Test(
        "other names are not",
        arguments: [
            "", "sd", "sd1", "sdaa", "xvd", "xvdA", "xvd1", "xvddy", "xvdea", "xvdaaa", "nvme0n1", "../sda", "sdé",
        ])
    func invalid(_ name: String) {
        #expect(!DeviceSlots.isValid(DeviceName(name)))
    }

    @Test("the free names are /dev/xvdb to /dev/xvdz, in order, then none")
    func order() {
        var taken: Set<String> = []
        var given: [String] = []
        while let device = DeviceSlots.firstFree(taken: taken) {
            given.append(device.path)
            taken.insert(DeviceSlots.slot(device))
        }
        #expect(given.count == 25)
        #expect(given.first == "/dev/xvdb")
        #expect(given.last == "/dev/xvdz")
        #expect(given == given.sorted())
    }

    @Test("sdf and xvdf are one attachment point")
    func renamed() {
        #expect(DeviceSlots.slot("/dev/sdf") == DeviceSlots.slot("/dev/xvdf"))
        #expect(DeviceSlots.firstFree(taken: [DeviceSlots.slot("/dev/sdb")]) == "/dev/xvdc")
    }
}
