// Attaching, taking over, detaching, and deleting what is attached.
import Driver

extension ConformanceCase {
    static let attaching: [ConformanceCase] = [
        ConformanceCase("an attached volume is in use and says where its bytes are") { subject in
            try await subject.withVolume { volume in
                let attachment = try await subject.attach(volume, to: subject.first, device: "/dev/xvdf")
                try expect("the volume", attachment.volumeID, is: volume.id)
                try expect("the instance", attachment.instanceID, is: subject.first.id)
                try expect("the device", attachment.device, is: "/dev/xvdf")
                try expect("the state", attachment.state, is: .attached)
                try expect("a location", attachment.location != nil, found: attachment)
                let described = try await subject.volume(volume.id)
                try expect("the volume's state", described.state, is: .inUse)
                try expect("the attachments", described.attachments, is: [attachment])
            }
        },
        ConformanceCase("without a device the next free one is taken, and given back") { subject in
            try await subject.withVolume { one in
                try await subject.withVolume { other in
                    let first = try await subject.attach(one, to: subject.second)
                    let second = try await subject.attach(other, to: subject.second)
                    try expect("two devices", first.device != second.device, found: first.device)
                    for device in [first.device, second.device] {
                        let isPlain = device.leaf.count == 4 && device.leaf.hasPrefix("xvd") && device.leaf != "xvda"
                        try expect("a device of /dev/xvd[b-z]", isPlain, found: device)
                    }
                    try await subject.detach(one)
                    let again = try await subject.attach(one, to: subject.second, device: first.device)
                    try expect("the device", again.device, is: first.device)
                }
            }
        },
        ConformanceCase("a volume in use is refused, and its holder is named") { subject in
            try await subject.withVolume { volume in
                _ = try await subject.attach(volume, to: subject.first)
                for instance in [subject.second, subject.first] {
                    try await expectRefusal(
                        .volumeInUse,
                        saying: ["\(volume.id) is already attached to an instance", subject.first.id.rawValue]
                    ) { try await subject.attach(volume, to: instance) }
                }
            }
        },
        ConformanceCase("an instance of another zone is refused, and both zones are named") { subject in
            try await subject.withVolume { volume in
                let text = """
                    The volume '\(volume.id)' is not in the same availability zone as instance \
                    '\(subject.elsewhere.id)'
                    """
                try await expectRefusal(
                    .zoneMismatch,
                    saying: [text, subject.zone.rawValue, subject.elsewhere.zone.rawValue]
                ) { try await subject.attach(volume, to: subject.elsewhere) }
                try expect("the state", try await subject.volume(volume.id).state, is: .available)
            }
        },
        ConformanceCase("a device that is taken is refused") { subject in
            try await subject.withVolume { one in
                try await subject.withVolume { other in
                    let device = try await subject.attach(one, to: subject.third).device
                    try await expectRefusal(
                        .invalidParameterValue,
                        saying: [
                            "Invalid value '\(device)' for unixDevice.",
                            "Attachment point \(device) is already in use",
                        ]
                    ) { try await subject.attach(other, to: subject.third, device: device) }
                    try expect("the state", try await subject.volume(other.id).state, is: .available)
                }
            }
        },
        ConformanceCase("a name that is no device is refused") { subject in
            try await subject.withVolume { volume in
                for name in ["/dev/null", "/dev/xvd", "/dev/xvdzz", "/dev/../etc/passwd", "/dev/xvdA"] {
                    try await expectRefusal(.invalidParameterValue, saying: [name]) {
                        try await subject.attach(volume, to: subject.first, device: DeviceName(name))
                    }
                }
            }
        },
        ConformanceCase("an unknown volume or instance is refused") { subject in
            try await expectRefusal(.volumeNotFound) {
                try await subject.driver.attachVolume(
                    AttachVolumeRequest(volumeID: "vol-00000000000000000", instanceID: subject.first.id))
            }
            try await subject.withVolume { volume in
                try await expectRefusal(
                    .instanceNotFound, saying: ["The instance ID 'i-00000000000000000' does not exist"]
                ) {
                    try await subject.driver.attachVolume(
                        AttachVolumeRequest(volumeID: volume.id, instanceID: "i-00000000000000000"))
                }
            }
        },
    ]

    static let taking: [ConformanceCase] = [
        ConformanceCase("preempting takes the volume from its holder") { subject in
            try await subject.withVolume { volume in
                _ = try await subject.attach(volume, to: subject.first)
                let taken = try await subject.attach(volume, to: subject.second, preempt: true)
                try expect("the attachments", try await subject.volume(volume.id).attachments, is: [taken])
                try await expectRefusal(.attachmentNotFound) {
                    try await subject.detach(volume, from: subject.first)
                }
            }
        },
        ConformanceCase("preempting a volume that nobody holds just attaches it") { subject in
            try await subject.withVolume { volume in
                let taken = try await subject.attach(volume, to: subject.second, preempt: true)
                try expect("the attachments", try await subject.volume(volume.id).attachments, is: [taken])
            }
        },
        ConformanceCase("preempting does not cross zones") { subject in
            try await subject.withVolume { volume in
                let held = try await subject.attach(volume, to: subject.first)
                try await expectRefusal(.zoneMismatch) {
                    try await subject.attach(volume, to: subject.elsewhere, preempt: true)
                }
                try expect("the attachments", try await subject.volume(volume.id).attachments, is: [held])
            }
        },
        ConformanceCase("a Multi-Attach volume attaches to several instances", needs: [.multiAttach]) { subject in
            let request = CreateVolumeRequest(
                zone: subject.zone, sizeGiB: 4, type: .io2, iops: 100, isMultiAttachEnabled: true)
            try await subject.withVolume(request) { volume in
                try expect("Multi-Attach", volume.isMultiAttachEnabled, is: true)
                for instance in subject.instances { _ = try await subject.attach(volume, to: instance) }
                try await expectRefusal(.volumeInUse) { try await subject.attach(volume, to: subject.first) }
                try await expectRefusal(.missingParameter) { try await subject.detach(volume) }
                try await subject.detach(volume, from: subject.second)
                let left = try await subject.volume(volume.id)
                try expect("the state", left.state, is: .inUse)
                try expect(
                    "the holders", Set(left.attachments.map(\.instanceID)),
                    is: [subject.first.id, subject.third.id])
            }
        },
    ]

    static let detaching: [ConformanceCase] = [
        ConformanceCase("a detached volume is available and keeps its id, name and size") { subject in
            try await subject.withVolume(subject.request(name: subject.unique())) { volume in
                _ = try await subject.attach(volume, to: subject.first)
                try await subject.detach(volume, from: subject.first)
                try expect("the volume", try await subject.volume(volume.id), is: volume)
            }
        },
        ConformanceCase("a volume attached once is detached without naming the instance") { subject in
            try await subject.withVolume { volume in
                _ = try await subject.attach(volume, to: subject.second)
                try await subject.detach(volume)
                try expect("the state", try await subject.volume(volume.id).state, is: .available)
            }
        },
        ConformanceCase("detaching what is attached to nothing is refused") { subject in
            try await subject.withVolume { volume in
                try await expectRefusal(
                    .incorrectState, saying: ["Volume '\(volume.id)' is in the 'available' state."]
                ) { try await subject.detach(volume) }
            }
        },
        ConformanceCase("detaching from the wrong instance is refused and changes nothing") { subject in
            try await subject.withVolume { volume in
                let held = try await subject.attach(volume, to: subject.first)
                try await expectRefusal(.attachmentNotFound, saying: [volume.id.rawValue]) {
                    try await subject.detach(volume, from: subject.second)
                }
                try expect("the attachments", try await subject.volume(volume.id).attachments, is: [held])
            }
        },
        ConformanceCase("detaching an unknown volume is refused") { subject in
            try await expectRefusal(.volumeNotFound) {
                try await subject.driver.detachVolume(
                    DetachVolumeRequest(volumeID: "vol-00000000000000000"))
            }
        },
    ]

    static let deletion: [ConformanceCase] = [
        ConformanceCase("a deleted volume is gone") { subject in
            let id = try await subject.withVolume { $0.id }
            try await expectRefusal(.volumeNotFound) { try await subject.volume(id) }
            try await expectRefusal(.volumeNotFound, saying: ["The volume '\(id)' does not exist."]) {
                try await subject.driver.deleteVolume(id)
            }
            try await expectRefusal(.volumeNotFound) {
                try await subject.driver.attachVolume(
                    AttachVolumeRequest(volumeID: id, instanceID: subject.first.id))
            }
        },
        ConformanceCase("a volume in use is not deleted, and its holder is named") { subject in
            try await subject.withVolume { volume in
                _ = try await subject.attach(volume, to: subject.first)
                try await expectRefusal(
                    .volumeInUse,
                    saying: ["Volume \(volume.id) is currently attached to \(subject.first.id)"]
                ) { try await subject.driver.deleteVolume(volume.id) }
                try expect("the state", try await subject.volume(volume.id).state, is: .inUse)
            }
        },
        ConformanceCase("deleting an id that is none is refused") { subject in
            try await expectRefusal(.invalidParameterValue, saying: ["The volume ID 'banana' is malformed"]) {
                try await subject.driver.deleteVolume("banana")
            }
        },
    ]
}
