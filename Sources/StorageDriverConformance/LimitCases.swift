// What the types do not allow, with EC2's codes and texts (EBS User Guide's limits of 2026).
import Driver

/// A request that must be refused.
private struct Refused: Sendable {
    let type: VolumeType
    let sizeGiB: Int?
    var iops: Int?
    var throughputMiBps: Int?
    var isMultiAttachEnabled = false
    let code: StorageError.Code
    let text: String

    func run(_ subject: ConformanceSubject) async throws {
        let request = CreateVolumeRequest(
            zone: subject.zone, sizeGiB: sizeGiB, type: type, iops: iops, throughputMiBps: throughputMiBps,
            isMultiAttachEnabled: isMultiAttachEnabled)
        try await expectRefusal(code, saying: [text]) { try await subject.driver.createVolume(request) }
    }
}

private let sizes: [Refused] = [
    Refused(
        type: .gp3, sizeGiB: nil, code: .missingParameter,
        text: "The request must contain the parameter size/snapshot"),
    Refused(
        type: .gp2, sizeGiB: 0, code: .invalidParameterValue,
        text: "The volume size is invalid for gp2 volumes: 0 GiB. gp2 volumes must be at least 1 GiB in size."),
    Refused(
        type: .gp3, sizeGiB: -5, code: .invalidParameterValue,
        text: "The volume size is invalid for gp3 volumes: -5 GiB."),
    Refused(
        type: .io1, sizeGiB: 1, iops: 100, code: .invalidParameterValue,
        text: """
            The volume size is invalid for io1 volumes: 1 GiB. io1 volumes must be at least 4 GiB in size. \
            Please specify a volume size above the minimum limit.
            """),
    Refused(
        type: .st1, sizeGiB: 124, code: .invalidParameterValue, text: "st1 volumes must be at least 125 GiB"),
    Refused(
        type: .standard, sizeGiB: 1_025, code: .invalidParameterValue,
        text: "Volume of 1025GiB is too large for volume type standard; maximum is 1024GiB"),
    Refused(
        type: .gp2, sizeGiB: 16_385, code: .invalidParameterValue,
        text: "Volume of 16385GiB is too large for volume type gp2; maximum is 16384GiB"),
    Refused(
        type: .gp3, sizeGiB: 65_537, code: .invalidParameterValue,
        text: "Volume of 65537GiB is too large for volume type gp3; maximum is 65536GiB"),
    Refused(
        type: .gp3, sizeGiB: .max, code: .invalidParameterValue, text: "is too large for volume type gp3"),
    Refused(
        type: .io2, sizeGiB: 65_537, iops: 100, code: .invalidParameterCombination,
        text: "io2 volumes configured with greater than 64 TiB or 256K IOPS or 1000:1 IOPS:GB ratio"),
]

private let performance: [Refused] = [
    Refused(
        type: .gp2, sizeGiB: 10, iops: 100, code: .invalidParameterCombination,
        text: "The parameter iops is not supported for gp2 volumes."),
    Refused(
        type: .standard, sizeGiB: 10, iops: 100, code: .invalidParameterCombination,
        text: "The parameter iops is not supported for standard volumes."),
    Refused(
        type: .io1, sizeGiB: 10, code: .invalidParameterCombination,
        text: "The parameter iops must be specified for io1 volumes."),
    Refused(
        type: .io1, sizeGiB: 10, iops: 99, code: .invalidParameterValue,
        text: "Volume iops of 99 is too low; minimum is 100."),
    Refused(
        type: .io1, sizeGiB: 16_000, iops: 64_001, code: .invalidParameterValue,
        text: "Volume iops of 64001 is too high; maximum is 64000."),
    Refused(
        type: .io1, sizeGiB: 10, iops: 501, code: .invalidParameterValue,
        text: "Iops to volume size ratio of 50.100000 is too high; maximum is 50"),
    Refused(
        type: .gp3, sizeGiB: 4, iops: 2_147_483_647, code: .invalidParameterValue,
        text: "Volume iops of 2147483647 is too high; maximum is 80000."),
    Refused(
        type: .gp3, sizeGiB: 10, iops: 7_500, code: .invalidParameterValue,
        text: "Iops to volume size ratio of 750.000000 is too high; maximum is 500"),
    Refused(
        type: .io2, sizeGiB: 4, iops: 4_001, code: .invalidParameterCombination,
        text: "256K IOPS or 1000:1 IOPS:GB ratio are not supported"),
    Refused(
        type: .io2, sizeGiB: 4, throughputMiBps: 200, code: .invalidParameterCombination, text: "iops"),
    Refused(
        type: .io2, sizeGiB: 4, iops: 100, throughputMiBps: 200, code: .invalidParameterCombination,
        text: "The throughput parameter is not supported for io2 volumes."),
    Refused(
        type: .gp3, sizeGiB: 100, throughputMiBps: 2_001, code: .invalidParameterValue,
        text: "Volume throughput of 2001 is too high; maximum is 2000."),
    Refused(
        type: .gp3, sizeGiB: 100, throughputMiBps: 1_000, code: .invalidParameterValue,
        text: """
            Throughput (MiBps) to iops ratio of 0.333333 is too high; maximum is 0.250000 MiBps per iops
            """),
    Refused(
        type: .gp3, sizeGiB: 10, isMultiAttachEnabled: true, code: .invalidParameterCombination,
        text: "The parameter multi-attach-enabled is not supported for gp3 volumes."),
]

extension ConformanceCase {
    static let limits: [ConformanceCase] = [
        ConformanceCase("an unknown type is refused") { subject in
            let request = CreateVolumeRequest(zone: subject.zone, sizeGiB: 1, type: VolumeType("gp9"))
            try await expectRefusal(
                .unknownVolumeType, saying: ["Unsupported volume type 'gp9' for volume creation."]
            ) { try await subject.driver.createVolume(request) }
        },
        ConformanceCase("sizes beyond a type's limits are refused in EC2's words") { subject in
            for request in sizes { try await request.run(subject) }
        },
        ConformanceCase("IOPS, throughput and Multi-Attach beyond a type's limits are refused") { subject in
            for request in performance { try await request.run(subject) }
        },
        ConformanceCase("a type's limits themselves are allowed") { subject in
            let allowed = [
                CreateVolumeRequest(zone: subject.zone, sizeGiB: 10, type: .io1, iops: 500),
                CreateVolumeRequest(zone: subject.zone, sizeGiB: 160, type: .gp3, iops: 80_000),
                CreateVolumeRequest(
                    zone: subject.zone, sizeGiB: 16, type: .gp3, iops: 8_000, throughputMiBps: 2_000),
                CreateVolumeRequest(zone: subject.zone, sizeGiB: 256, type: .io2, iops: 256_000),
                CreateVolumeRequest(zone: subject.zone, sizeGiB: 16_384, type: .gp2),
            ]
            for request in allowed {
                try await subject.withVolume(request) { try expect("the state", $0.state, is: .available) }
            }
        },
        ConformanceCase("the zone is checked before the tags, the tags before the limits") { subject in
            var request = CreateVolumeRequest(
                zone: "mars-1a", sizeGiB: 0, type: VolumeType("gp9"), tags: ["aws:x": ""])
            try await expectRefusal(.zoneNotFound) { try await subject.driver.createVolume(request) }
            request.zone = subject.zone
            try await expectRefusal(.invalidParameterValue, saying: ["aws:"]) {
                try await subject.driver.createVolume(request)
            }
            request.tags = [:]
            try await expectRefusal(.unknownVolumeType) { try await subject.driver.createVolume(request) }
        },
    ]
}
