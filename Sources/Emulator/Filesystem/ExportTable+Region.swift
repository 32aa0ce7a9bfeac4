// The export table as the region sees it.

import Driver

extension ExportTable: RegionExports {
    func credits(of number: VolumeNumber) -> Int64? {
        performance(of: number)?.credits
    }

    func report(of number: VolumeNumber) -> PerformanceReport? {
        performance(of: number)?.report
    }

    func report(of instance: InstanceID, in zone: ZoneName) -> InstanceReport? {
        state.withLock { $0.instances[.instance(instance, in: zone)]?.performance }?.report
    }
}
