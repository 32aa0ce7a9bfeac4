import Driver

/// Parts of EC2's own answers, as its documentation and captures of it have them.
enum Recorded {
    static let volumeID: VolumeID = "vol-0123456789abcdef0"
    static let holder: InstanceID = "i-0aaaaaaaaaaaaaaa1"
    static let other: InstanceID = "i-0bbbbbbbbbbbbbbb2"

    static func volume(
        _ state: String = "available", zone: String = "us-east-1a", attachedTo holder: InstanceID? = nil,
        more: String = ""
    ) -> String {
        let attachment = holder.map {
            "<item><volumeId>\(volumeID)</volumeId><instanceId>\($0)</instanceId><device>/dev/xvdb</device>"
                + "<status>attached</status><attachTime>2026-01-02T03:04:06.000Z</attachTime></item>"
        }
        return "<volumeId>\(volumeID)</volumeId><size>1</size><snapshotId/><availabilityZone>\(zone)</availabilityZone>"
            + "<status>\(state)</status><createTime>2026-01-02T03:04:05.000Z</createTime>"
            + "<attachmentSet>\(attachment ?? "")</attachmentSet><volumeType>gp3</volumeType><iops>3000</iops>"
            + "<throughput>125</throughput><multiAttachEnabled>false</multiAttachEnabled>\(more)"
    }

    static func described(_ volumes: String...) -> PlayedEC2.Reply {
        .done("DescribeVolumes", "<volumeSet>\(volumes.map { "<item>\($0)</item>" }.joined())</volumeSet>")
    }

    static func instance(_ id: InstanceID, zone: String = "us-east-1a", devices: [String] = []) -> String {
        let devices = devices.map { "<item><deviceName>\($0)</deviceName></item>" }.joined()
        return "<item><instancesSet><item><instanceId>\(id)</instanceId><instanceState><code>16</code>"
            + "<name>running</name></instanceState><placement><availabilityZone>\(zone)</availabilityZone></placement>"
            + "<rootDeviceName>/dev/xvda</rootDeviceName><blockDeviceMapping>\(devices)</blockDeviceMapping>"
            + "</item></instancesSet></item>"
    }

    static func described(instance: String) -> PlayedEC2.Reply {
        .done("DescribeInstances", "<reservationSet>\(instance)</reservationSet>")
    }
}
