// Many callers at once: what is exclusive stays exclusive.
import Driver

extension ConformanceCase {
    static let concurrency: [ConformanceCase] = [
        ConformanceCase("of many creates with one name, one succeeds") { subject in
            let name = subject.unique()
            let outcomes = await outcomes(of: 10) { _ in
                try await subject.driver.createVolume(subject.request(name: name))
            }
            let made = outcomes.compactMap { try? $0.get() }
            for volume in made { try await subject.discard(volume.id) }
            try expect("one volume", made.count, is: 1)
            try expectOnly(.volumeDuplicate, in: outcomes)
        },
        ConformanceCase("many creates with one client token make one volume") { subject in
            var request = subject.request(name: subject.unique())
            request.clientToken = subject.unique()
            let repeated = request
            let outcomes = await outcomes(of: 10) { _ in try await subject.driver.createVolume(repeated) }
            let ids = Set(outcomes.compactMap { try? $0.get().id })
            for id in ids { try await subject.discard(id) }
            try expect("one id", ids.count, is: 1)
            for outcome in outcomes { _ = try outcome.get() }
        },
        ConformanceCase("of many attaches of one volume, one succeeds") { subject in
            try await subject.withVolume { volume in
                let outcomes = await outcomes(of: 9) { number in
                    try await subject.attach(volume, to: subject.instances[number % 3])
                }
                let made = outcomes.compactMap { try? $0.get() }
                try expect("one attachment", made.count, is: 1)
                try expectOnly(.volumeInUse, in: outcomes)
                try expect("the attachments", try await subject.volume(volume.id).attachments, is: made)
            }
        },
        ConformanceCase("many volumes attached to one instance get different devices") { subject in
            let volumes = try await outcomes(of: 5) { _ in
                try await subject.driver.createVolume(subject.request())
            }.map { try $0.get() }
            let outcomes = await outcomes(of: volumes.count) { number in
                try await subject.attach(volumes[number], to: subject.third)
            }
            for volume in volumes { try await subject.discard(volume.id) }
            let devices = try outcomes.map { try $0.get().device }
            try expect("different devices", Set(devices).count, is: volumes.count)
        },
    ]

    private static func outcomes<Value: Sendable>(
        of count: Int, _ work: @escaping @Sendable (Int) async throws -> Value
    ) async -> [Result<Value, any Error>] {
        await withTaskGroup(of: Result<Value, any Error>.self) { group in
            for number in 0..<count {
                group.addTask {
                    do { return .success(try await work(number)) } catch { return .failure(error) }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    private static func expectOnly<Value>(
        _ code: StorageError.Code, in outcomes: [Result<Value, any Error>]
    ) throws(ConformanceFailure) {
        for case .failure(let error) in outcomes {
            try expect(
                "a refusal with \(code)", (error as? StorageError)?.code == code, found: error)
        }
    }
}
