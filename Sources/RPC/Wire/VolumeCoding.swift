import Driver

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Volume: WireValue {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("attachments")
            writer.array(attachments) { $1.write(to: &$0) }
            writer.field("createTime", Timestamp.text(createTime))
            writer.field("id", id.rawValue)
            if let initialization {
                writer.name("initialization")
                initialization.write(to: &writer)
            }
            if let iops { writer.field("iops", iops) }
            writer.field("isEncrypted", isEncrypted)
            if let isFastRestored { writer.field("isFastRestored", isFastRestored) }
            writer.field("isMultiAttachEnabled", isMultiAttachEnabled)
            writer.field("sizeGiB", sizeGiB)
            if let snapshotID { writer.field("snapshotID", snapshotID.rawValue) }
            if let sourceVolumeID { writer.field("sourceVolumeID", sourceVolumeID.rawValue) }
            writer.field("state", state.rawValue)
            if let stateMessage { writer.field("stateMessage", stateMessage) }
            writer.name("tags")
            writer.object { writer in
                for (key, value) in tags.sorted(by: { $0.key < $1.key }) { writer.field(key, value) }
            }
            if let throughputMiBps { writer.field("throughputMiBps", throughputMiBps) }
            writer.field("type", type.name)
            if let rate = volumeInitializationRateMiBps { writer.field("volumeInitializationRateMiBps", rate) }
            writer.field("zone", zone.rawValue)
        }
    }

    package init(from reader: inout JSONReader) throws(JSONError) {
        var id: String?
        var zone: String?
        var state: State?
        var stateMessage: String?
        var type: String?
        var sizeGiB: Int?
        var createTime: Date?
        var iops: Int?
        var throughputMiBps: Int?
        var snapshotID: String?
        var sourceVolumeID: String?
        var rateMiBps: Int?
        var isFastRestored: Bool?
        var initialization: VolumeInitialization?
        var isEncrypted = false
        var isMultiAttachEnabled = false
        var attachments: [Attachment] = []
        var tags: [String: String] = [:]
        try reader.object { reader, name throws(JSONError) in
            switch name {
            case "id": id = try reader.string()
            case "zone": zone = try reader.string()
            case "state": state = try reader.enumeration()
            case "stateMessage": stateMessage = try reader.optionalString()
            case "type": type = try reader.string()
            case "sizeGiB": sizeGiB = try reader.integer()
            case "createTime": createTime = try reader.date()
            case "iops": iops = try reader.optionalInteger()
            case "throughputMiBps": throughputMiBps = try reader.optionalInteger()
            case "snapshotID": snapshotID = try reader.optionalString()
            case "sourceVolumeID": sourceVolumeID = try reader.optionalString()
            case "volumeInitializationRateMiBps": rateMiBps = try reader.optionalInteger()
            case "isFastRestored": isFastRestored = try reader.takeNull() ? nil : reader.bool()
            case "initialization": initialization = try reader.takeNull() ? nil : VolumeInitialization(from: &reader)
            case "isEncrypted": isEncrypted = try reader.bool()
            case "isMultiAttachEnabled": isMultiAttachEnabled = try reader.bool()
            case "attachments": attachments = try reader.values()
            case "tags": try reader.object { reader, key throws(JSONError) in tags[key] = try reader.string() }
            default: try reader.skipValue()
            }
        }
        self.init(
            id: VolumeID(try reader.required(id, "id")), zone: ZoneName(try reader.required(zone, "zone")),
            state: try reader.required(state, "state"), stateMessage: stateMessage,
            type: VolumeType(try reader.required(type, "type")), sizeGiB: try reader.required(sizeGiB, "sizeGiB"),
            iops: iops, throughputMiBps: throughputMiBps,
            snapshotID: snapshotID.map { SnapshotID($0) }, sourceVolumeID: sourceVolumeID.map { VolumeID($0) },
            volumeInitializationRateMiBps: rateMiBps, isFastRestored: isFastRestored, initialization: initialization,
            isEncrypted: isEncrypted,
            isMultiAttachEnabled: isMultiAttachEnabled, createTime: try reader.required(createTime, "createTime"),
            attachments: attachments, tags: tags)
    }
}

extension VolumeInitialization: WireValue {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            if let estimatedSecondsLeft { writer.field("estimatedSecondsLeft", estimatedSecondsLeft) }
            writer.field("kind", kind.rawValue)
            writer.field("progressPercent", progressPercent)
            writer.field("state", state.rawValue)
        }
    }

    package init(from reader: inout JSONReader) throws(JSONError) {
        var kind: Kind?
        var state: State?
        var progressPercent: Int?
        var estimatedSecondsLeft: Int?
        try reader.object { reader, name throws(JSONError) in
            switch name {
            case "kind": kind = try reader.enumeration()
            case "state": state = try reader.enumeration()
            case "progressPercent": progressPercent = try reader.integer()
            case "estimatedSecondsLeft": estimatedSecondsLeft = try reader.optionalInteger()
            default: try reader.skipValue()
            }
        }
        self.init(
            kind: try reader.required(kind, "kind"), state: try reader.required(state, "state"),
            progressPercent: try reader.required(progressPercent, "progressPercent"),
            estimatedSecondsLeft: estimatedSecondsLeft)
    }
}

extension Attachment: WireValue {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("attachTime", Timestamp.text(attachTime))
            writer.field("deleteOnTermination", deleteOnTermination)
            writer.field("device", device.path)
            writer.field("instanceID", instanceID.rawValue)
            if let location {
                writer.name("location")
                location.write(to: &writer)
            }
            writer.field("state", state.rawValue)
            writer.field("volumeID", volumeID.rawValue)
        }
    }

    package init(from reader: inout JSONReader) throws(JSONError) {
        var volumeID: String?
        var instanceID: String?
        var device: String?
        var state: State?
        var attachTime: Date?
        var deleteOnTermination = false
        var location: BlockLocation?
        try reader.object { reader, name throws(JSONError) in
            switch name {
            case "volumeID": volumeID = try reader.string()
            case "instanceID": instanceID = try reader.string()
            case "device": device = try reader.string()
            case "state": state = try reader.enumeration()
            case "attachTime": attachTime = try reader.date()
            case "deleteOnTermination": deleteOnTermination = try reader.bool()
            case "location": location = try reader.takeNull() ? nil : try BlockLocation(from: &reader)
            default: try reader.skipValue()
            }
        }
        self.init(
            volumeID: VolumeID(try reader.required(volumeID, "volumeID")),
            instanceID: InstanceID(try reader.required(instanceID, "instanceID")),
            device: DeviceName(try reader.required(device, "device")), state: try reader.required(state, "state"),
            attachTime: try reader.required(attachTime, "attachTime"), deleteOnTermination: deleteOnTermination,
            location: location)
    }
}

/// `{"file": {"path": "…"}}` or `{"blockDevice": {"path": "…"}}`.
extension BlockLocation: WireValue {
    package func write(to writer: inout JSONWriter) {
        let (kind, path) =
            switch self {
            case .file(let path): ("file", path)
            case .blockDevice(let path): ("blockDevice", path)
            }
        writer.object { writer in
            writer.name(kind)
            writer.object { $0.field("path", path) }
        }
    }

    package init(from reader: inout JSONReader) throws(JSONError) {
        var location: BlockLocation?
        try reader.object { reader, kind throws(JSONError) in
            switch kind {
            case "file": location = .file(path: try reader.path())
            case "blockDevice": location = .blockDevice(path: try reader.path())
            default: try reader.skipValue()
            }
        }
        self = try reader.required(location, "file")
    }
}

extension JSONReader {
    fileprivate mutating func path() throws(JSONError) -> String {
        var path: String?
        try object { reader, name throws(JSONError) in
            if name == "path" { path = try reader.string() } else { try reader.skipValue() }
        }
        return try required(path, "path")
    }

    fileprivate mutating func date() throws(JSONError) -> Date {
        guard let date = Timestamp.date(try string()) else { throw failure("not a time") }
        return date
    }

    fileprivate mutating func enumeration<Value: RawRepresentable<String>>() throws(JSONError) -> Value {
        guard let value = Value(rawValue: try string()) else { throw failure("not one of the known words") }
        return value
    }
}
