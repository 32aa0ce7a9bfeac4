// Client tokens, names, tags, and finding volumes again.
import Driver

extension ConformanceCase {
    static let clientTokens: [ConformanceCase] = [
        ConformanceCase("a repeated client token gives the same volume, as it is now") { subject in
            var request = subject.request(name: subject.unique())
            request.clientToken = subject.unique()
            let repeated = request
            try await subject.withVolume(request) { volume in
                try expect("the id", try await subject.driver.createVolume(repeated).id, is: volume.id)
                _ = try await subject.attach(volume, to: subject.first)
                let again = try await subject.driver.createVolume(repeated)
                try expect("the state", again.state, is: .inUse)
            }
        },
        ConformanceCase("a client token with other parameters is refused") { subject in
            var request = subject.request()
            request.clientToken = subject.unique()
            var other = request
            other.sizeGiB = 2
            let refused = other
            try await subject.withVolume(request) { _ in
                try await expectRefusal(
                    .idempotentParameterMismatch,
                    saying: ["Parameters on this idempotent request are inconsistent"]
                ) { try await subject.driver.createVolume(refused) }
            }
        },
        ConformanceCase("a client token whose volume was deleted is refused") { subject in
            var request = subject.request()
            request.clientToken = subject.unique()
            let id = try await subject.withVolume(request) { $0.id }
            let repeated = request
            try await expectRefusal(
                .idempotentParameterMismatch, saying: [id.rawValue, "already been deleted"]
            ) { try await subject.driver.createVolume(repeated) }
        },
        ConformanceCase("a client token of more than 64 characters is refused") { subject in
            var request = subject.request()
            request.clientToken = String(repeating: "t", count: 65)
            let refused = request
            try await expectRefusal(
                .invalidParameterValue, saying: ["Client token must be less than or equal to 64 characters."]
            ) { try await subject.driver.createVolume(refused) }
        },
    ]

    static let names: [ConformanceCase] = [
        ConformanceCase("a name that is taken is refused, and who has it is said") { subject in
            let name = subject.unique()
            try await subject.withVolume(subject.request(name: name)) { volume in
                var elsewhere = subject.request(name: name)
                elsewhere.zone = subject.elsewhere.zone
                let refused = elsewhere
                try await expectRefusal(
                    .volumeDuplicate, saying: [name, volume.id.rawValue, volume.zone.rawValue]
                ) { try await subject.driver.createVolume(refused) }
            }
        },
        ConformanceCase("volumes without a name do not disturb each other") { subject in
            try await subject.withVolume { one in
                try await subject.withVolume { other in
                    try expect("two ids", one.id != other.id, found: one.id)
                }
            }
        },
        ConformanceCase("a name is free again when its volume is deleted or renamed") { subject in
            let name = subject.unique()
            let renamed = subject.unique()
            try await subject.withVolume(subject.request(name: name)) { _ in }
            try await subject.withVolume(subject.request(name: name)) { volume in
                let tagged = try await subject.driver.modifyTags(
                    ModifyTagsRequest(volumeID: volume.id, set: [Tag.name: renamed]))
                try expect("the name", tagged.name, is: renamed)
                try await subject.withVolume(subject.request(name: name)) { _ in }
            }
        },
        ConformanceCase("renaming to a name that is taken is refused and changes nothing") { subject in
            let (taken, name) = (subject.unique(), subject.unique())
            try await subject.withVolume(subject.request(name: taken)) { holder in
                try await subject.withVolume(subject.request(name: name)) { volume in
                    try await expectRefusal(.volumeDuplicate, saying: [holder.id.rawValue]) {
                        try await subject.driver.modifyTags(
                            ModifyTagsRequest(volumeID: volume.id, set: [Tag.name: taken]))
                    }
                    try expect("the name", try await subject.volume(volume.id).name, is: name)
                }
            }
        },
    ]

    static let tags: [ConformanceCase] = [
        ConformanceCase("tags are set, overwritten and removed, and stay") { subject in
            try await subject.withVolume { volume in
                _ = try await subject.driver.modifyTags(
                    ModifyTagsRequest(volumeID: volume.id, set: ["a": "1", "b": "2", "ü ñ": "é=,\""]))
                let tagged = try await subject.driver.modifyTags(
                    ModifyTagsRequest(volumeID: volume.id, set: ["a": "3"], remove: ["b", "unknown"]))
                try expect("the tags", tagged.tags, is: ["a": "3", "ü ñ": "é=,\""])
                try expect("the described tags", try await subject.volume(volume.id).tags, is: tagged.tags)
            }
        },
        ConformanceCase("tags against EC2's rules are refused") { subject in
            try await subject.withVolume { volume in
                let refused: [(tags: [String: String], code: StorageError.Code)] = [
                    (["aws:name": "x"], .invalidParameterValue), (["": "x"], .invalidParameterValue),
                    ([String(repeating: "k", count: 128): ""], .invalidParameterValue),
                    (["k": String(repeating: "v", count: 256)], .invalidParameterValue),
                    (Dictionary(uniqueKeysWithValues: (0..<51).map { ("k\($0)", "") }), .tagLimitExceeded),
                ]
                for (tags, code) in refused {
                    try await expectRefusal(code) {
                        try await subject.driver.modifyTags(ModifyTagsRequest(volumeID: volume.id, set: tags))
                    }
                }
                try expect("the tags", try await subject.volume(volume.id).tags, is: [:])
            }
        },
        ConformanceCase("fifty tags are allowed, one more later is not") { subject in
            var request = subject.request()
            request.tags = Dictionary(uniqueKeysWithValues: (0..<50).map { ("key-\($0)", "\($0)") })
            try await subject.withVolume(request) { volume in
                try expect("the count", volume.tags.count, is: 50)
                try await expectRefusal(.tagLimitExceeded) {
                    try await subject.driver.modifyTags(
                        ModifyTagsRequest(volumeID: volume.id, set: ["one": "more"]))
                }
            }
        },
        ConformanceCase("tags of a volume that does not exist are refused") { subject in
            try await expectRefusal(.volumeNotFound) {
                try await subject.driver.modifyTags(
                    ModifyTagsRequest(volumeID: "vol-00000000000000000", set: ["a": "b"]))
            }
        },
    ]

    static let listing: [ConformanceCase] = [
        ConformanceCase("volumes are found by id, by name and by instance") { subject in
            let name = subject.unique()
            try await subject.withVolume(subject.request(name: name)) { volume in
                let byName = try await subject.driver.describeVolumes(VolumeQuery(names: [name]))
                try expect("the volumes of the name", byName.volumes, is: [volume])
                _ = try await subject.attach(volume, to: subject.third)
                let page = try await subject.driver.describeVolumes(
                    VolumeQuery(names: [name], instanceID: subject.third.id))
                try expect("the instance's volumes", page.volumes.map(\.id), is: [volume.id])
                let nowhere = try await subject.driver.describeVolumes(
                    VolumeQuery(names: [name], instanceID: subject.second.id))
                try expect("the other instance's volumes", nowhere.volumes, is: [])
            }
        },
        ConformanceCase("an unknown id is refused, an unknown name gives nothing") { subject in
            try await expectRefusal(
                .volumeNotFound, saying: ["The volume 'vol-00000000000000000' does not exist."]
            ) { try await subject.driver.describeVolumes(VolumeQuery(ids: ["vol-00000000000000000"])) }
            let page = try await subject.driver.describeVolumes(VolumeQuery(names: [subject.unique()]))
            try expect("the volumes", page, is: VolumePage(volumes: []))
        },
        ConformanceCase("an id that is none is refused") { subject in
            try await expectRefusal(
                .invalidParameterValue,
                saying: ["Value (banana) for parameter volumes is invalid. Expected: 'vol-...'."]
            ) { try await subject.driver.describeVolumes(VolumeQuery(ids: ["banana"])) }
        },
        ConformanceCase("volumes are listed by creation time and id, whole and in pages") { subject in
            let names = (0..<7).map { _ in subject.unique() }
            var made: [VolumeID] = []
            do {
                for name in names {
                    made.append(try await subject.driver.createVolume(subject.request(name: name)).id)
                }
                let whole = try await subject.driver.describeVolumes(VolumeQuery(names: names)).volumes
                try expect("the ids", Set(whole.map(\.id)), is: Set(made))
                let sorted = whole.sorted { ($0.createTime, $0.id) < ($1.createTime, $1.id) }
                try expect("the order", whole.map(\.id), is: sorted.map(\.id))
                try expect("the pages", try await pages(of: names, subject), is: whole.map(\.id))
            } catch {
                for id in made { try await subject.discard(id) }
                throw error
            }
            for id in made { try await subject.discard(id) }
        },
        ConformanceCase("a page token that is none is refused") { subject in
            try await expectRefusal(.invalidNextToken) {
                try await subject.driver.describeVolumes(VolumeQuery(maxResults: 5, nextToken: "nonsense"))
            }
        },
        ConformanceCase("ids and a page size together are refused") { subject in
            try await subject.withVolume { volume in
                try await expectRefusal(.invalidParameterCombination) {
                    try await subject.driver.describeVolumes(VolumeQuery(ids: [volume.id], maxResults: 5))
                }
            }
        },
    ]

    private static func pages(of names: [String], _ subject: ConformanceSubject) async throws -> [VolumeID] {
        var found: [VolumeID] = []
        var query = VolumeQuery(names: names, maxResults: 3)
        repeat {
            let page = try await subject.driver.describeVolumes(query)
            try expect("at most three", page.volumes.count <= 3, found: page.volumes.count)
            found += page.volumes.map(\.id)
            query.nextToken = page.nextToken
        } while query.nextToken != nil && found.count <= names.count
        return found
    }
}
