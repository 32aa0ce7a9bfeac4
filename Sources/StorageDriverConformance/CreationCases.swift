// Describing the driver, making volumes, types and their limits.
import Driver

extension ConformanceCase {
    static let description: [ConformanceCase] = [
        ConformanceCase("the driver names itself, its region and its types") { subject in
            let description = try await subject.driver.describeDriver()
            try expect("a name", !description.name.isEmpty, found: description)
            try expect("a region", !description.region.isEmpty, found: description)
            for type in [VolumeType.gp2, .gp3, .io1, .io2, .standard] {
                try expect("the type \(type)", description.volumeTypes.contains(type), found: description)
            }
        },
        ConformanceCase("zones come in order and bear the region's name") { subject in
            let region = try await subject.driver.describeDriver().region
            let zones = try await subject.driver.describeZones()
            try expect("sorted zones", zones.map(\.name) == zones.map(\.name).sorted(), found: zones)
            for zone in zones { try expect("the zone's region", zone.region, is: region) }
            try expect(
                "the instances' zone", zones.contains { $0.name == subject.zone }, found: zones)
        },
        ConformanceCase("instances are listed in order, each as it was given") { subject in
            let listed = try await subject.driver.describeInstances()
            try expect("sorted instances", listed.map(\.id) == listed.map(\.id).sorted(), found: listed)
            for instance in subject.instances + [subject.elsewhere] {
                try expect("\(instance.id) among them", listed.contains(instance), found: listed)
            }
        },
        ConformanceCase("registering an instance again gives the same one", needs: [.registerInstances]) { subject in
            let known = subject.first
            let byName = try await subject.driver.registerInstance(
                RegisterInstanceRequest(name: known.name, zone: known.zone))
            try expect("the instance", byName, is: known)
            let byID = try await subject.driver.registerInstance(
                RegisterInstanceRequest(id: known.id, name: known.name, zone: known.zone))
            try expect("the instance", byID, is: known)
        },
        ConformanceCase("an instance does not move to another zone", needs: [.registerInstances]) { subject in
            try await expectRefusal(
                .incorrectState, saying: [subject.first.id.rawValue, subject.zone.rawValue]
            ) {
                try await subject.driver.registerInstance(
                    RegisterInstanceRequest(name: subject.first.name, zone: subject.elsewhere.zone))
            }
        },
        ConformanceCase("an instance in an unknown zone is refused", needs: [.registerInstances]) { subject in
            try await expectRefusal(.zoneNotFound, saying: ["The zone 'mars-1a' does not exist."]) {
                try await subject.driver.registerInstance(
                    RegisterInstanceRequest(name: subject.unique(), zone: "mars-1a"))
            }
        },
    ]

    static let creation: [ConformanceCase] = [
        ConformanceCase("a new volume is available, empty of attachments, and as asked for") { subject in
            let name = subject.unique()
            var request = subject.request(name: name)
            request.sizeGiB = 10
            request.tags["team"] = "storage"
            try await subject.withVolume(request) { volume in
                try expect("the state", volume.state, is: .available)
                try expect("the size", volume.sizeGiB, is: 10)
                try expect("the type", volume.type, is: .gp3)
                try expect("the zone", volume.zone, is: subject.zone)
                try expect("the name", volume.name, is: name)
                try expect("the tag", volume.tags["team"], is: "storage")
                try expect("the attachments", volume.attachments, is: [])
                try expect("the described volume", try await subject.volume(volume.id), is: volume)
            }
        },
        ConformanceCase("a volume's id is vol- and 17 hexadecimal digits") { subject in
            try await subject.withVolume { volume in
                let digits = volume.id.rawValue.dropFirst(4)
                let isGood =
                    volume.id.rawValue.hasPrefix("vol-") && digits.count == 17
                    && digits.allSatisfy { "0123456789abcdef".contains($0) }
                try expect("an id of EC2's form", isGood, found: volume.id)
            }
        },
        ConformanceCase("a request without a type makes a gp2 volume with its baseline") { subject in
            var request = subject.request()
            request.type = nil
            request.sizeGiB = 100
            try await subject.withVolume(request) { volume in
                try expect("the type", volume.type, is: .gp2)
                try expect("the IOPS", volume.iops, is: 300)
            }
        },
        ConformanceCase("IOPS and throughput are reported as the type has them") { subject in
            let types: [(VolumeType, size: Int, asked: Int?, iops: Int?, throughput: Int?)] = [
                (.standard, 1, nil, nil, nil), (.gp2, 1, nil, 100, nil), (.gp2, 6_000, nil, 16_000, nil),
                (.gp3, 1, nil, 3_000, 125), (.gp3, 100, 4_000, 4_000, 125), (.io1, 10, 100, 100, nil),
                (.io2, 4, 4_000, 4_000, nil), (.st1, 125, nil, nil, nil), (.sc1, 125, nil, nil, nil),
            ]
            for (type, size, asked, iops, throughput) in types {
                let request = CreateVolumeRequest(zone: subject.zone, sizeGiB: size, type: type, iops: asked)
                try await subject.withVolume(request) { volume in
                    try expect("the IOPS of \(type)", volume.iops, is: iops)
                    try expect("the throughput of \(type)", volume.throughputMiBps, is: throughput)
                }
            }
        },
        ConformanceCase("the largest volume is made like the smallest") { subject in
            let request = CreateVolumeRequest(zone: subject.zone, sizeGiB: 65_536, type: .gp3)
            try await subject.withVolume(request) { try expect("the size", $0.sizeGiB, is: 65_536) }
        },
        ConformanceCase("a zone that does not exist, or none, is refused") { subject in
            try await expectRefusal(.zoneNotFound, saying: ["The zone 'mars-1a' does not exist."]) {
                try await subject.driver.createVolume(CreateVolumeRequest(zone: "mars-1a", sizeGiB: 1))
            }
            try await expectRefusal(.missingParameter, saying: ["zone"]) {
                try await subject.driver.createVolume(CreateVolumeRequest(zone: "", sizeGiB: 1))
            }
        },
        ConformanceCase("a snapshot that does not exist is refused") { subject in
            var request = subject.request()
            request.snapshotID = "snap-00000000000000000"
            try await expectRefusal(
                .snapshotNotFound, saying: ["The snapshot 'snap-00000000000000000' does not exist."]
            ) { try await subject.driver.createVolume(request) }
        },
    ]
}
