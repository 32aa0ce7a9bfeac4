/// A place in which bytes lie under keys, and that others use at the same time: a directory, an S3 bucket.
///
/// A key is a relative path of letters, digits, `-`, `.` and `/`. What lies under one is whole or not there at all.
/// Everything that a place says to be there is safe from a loss of power: an object that names others can be put when
/// those have been put, or were found.
///
/// All throw `PlaceError`, or `CancellationError` in a task that was cancelled.
public protocol ObjectPlace: Sendable {
    /// What people call it: `/srv/snapshots`, `s3://bucket/prefix`.
    var location: String { get }

    /// Comes before anything is looked for in order to put something.
    func prepare() async throws

    /// How many bytes lie under a key; `nil` when there are none.
    func sizeBytes(_ key: String) async throws -> Int64?

    /// What lies under a key; `nil` when there is nothing.
    ///
    /// - Parameter limit: `PlaceError.Code.tooLarge` for more bytes than that.
    func get(_ key: String, limit: Int) async throws -> [UInt8]?

    /// Puts bytes under a key, in place of those that are there.
    func put(_ bytes: [UInt8], _ key: String) async throws

    /// All keys that begin so, in order.
    ///
    /// - Parameter prefix: ends with a `/`.
    func keys(_ prefix: String) async throws -> [String]
}

/// Why a place did not do what it was asked for.
public struct PlaceError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: Hashable, Sendable {
        /// This text names no place.
        case invalidLocation
        /// There is no such directory or bucket.
        case noSuchPlace
        case accessDenied
        /// Nobody answers, or only to say that he cannot now.
        case unreachable
        case full
        case tooLarge
        case failed
    }

    public let code: Code
    /// One line: what failed, where, and what to do next.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
