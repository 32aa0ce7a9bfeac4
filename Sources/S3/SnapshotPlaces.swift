import AWSWire
public import BlockStore
public import Platform

/// Makes places from what people write.
public struct SnapshotPlaces: Sendable {
    /// For buckets, unless a call says otherwise.
    private let access: S3Access
    private let clock: any Clock
    private let random: any RandomSource

    public init(access: S3Access, clock: any Clock, random: any RandomSource) {
        self.access = access
        self.clock = clock
        self.random = random
    }

    /// - Parameters:
    ///   - location: an absolute path, or `s3://BUCKET/PREFIX`.
    ///   - endpoint: a URL, for this bucket alone.
    /// - Throws: `PlaceError` for what is neither. Whether it is there is found out later.
    public func place(_ location: String, endpoint: String? = nil) throws(PlaceError) -> any ObjectPlace {
        switch try PlaceLocation(location) {
        case .directory(let directory):
            return DirectoryPlace(directory, clock: clock)
        case .bucket(let bucket, let prefix):
            var access = access
            if let endpoint {
                do throws(WireError) {
                    access.endpoint = try Endpoint(endpoint)
                } catch {
                    throw PlaceError(.invalidLocation, "\(error)")
                }
            }
            return try S3Place(bucket: bucket, prefix: prefix, access: access, clock: clock, random: random)
        }
    }
}
