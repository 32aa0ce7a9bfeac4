// A driver that stands in front of another one: what it does not answer by itself, of volumes and instances, is the
// other one's answer.
import Driver

protocol DriverInFront: StorageDriver {
    var base: any StorageDriver { get }
}

extension DriverInFront {
    func describeDriver() async throws -> DriverDescription { try await base.describeDriver() }
    func describeZones() async throws -> [Zone] { try await base.describeZones() }
    func describeInstances() async throws -> [Instance] { try await base.describeInstances() }
    func registerInstance(_ request: RegisterInstanceRequest) async throws -> Instance {
        try await base.registerInstance(request)
    }
    func describeVolumes(_ query: VolumeQuery) async throws -> VolumePage { try await base.describeVolumes(query) }
    func createVolume(_ request: CreateVolumeRequest) async throws -> Volume { try await base.createVolume(request) }
    func deleteVolume(_ id: VolumeID) async throws { try await base.deleteVolume(id) }
    func attachVolume(_ request: AttachVolumeRequest) async throws -> Driver.Attachment {
        try await base.attachVolume(request)
    }
    func detachVolume(_ request: DetachVolumeRequest) async throws { try await base.detachVolume(request) }
    func modifyTags(_ request: ModifyTagsRequest) async throws -> Volume { try await base.modifyTags(request) }
    func describeVolumeStatistics(ids: [VolumeID]) async throws -> [VolumeStatistics] {
        try await base.describeVolumeStatistics(ids: ids)
    }
    func getMetricData(_ query: MetricDataQuery) async throws -> [MetricSeries] {
        try await base.getMetricData(query)
    }
    func modifyVolume(_ request: ModifyVolumeRequest) async throws -> VolumeModification {
        try await base.modifyVolume(request)
    }
    func describeVolumeModifications(_ query: VolumeModificationQuery) async throws -> VolumeModificationPage {
        try await base.describeVolumeModifications(query)
    }
}
