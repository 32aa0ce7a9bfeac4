// The order in which a region lists its resources, and the pages that a list comes in.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A resource's place in its listing: by the time that it was made, then id.
public struct ListingPlace<Resource>: Hashable, Sendable, Comparable {
    public let time: Date
    public let id: Identifier<Resource>

    public init(time: Date, id: Identifier<Resource>) {
        self.time = time
        self.id = id
    }

    @inlinable public static func < (left: Self, right: Self) -> Bool {
        (left.time, left.id) < (right.time, right.id)
    }
}

/// Where a page ended, as text: it stays good when the resource there is deleted.
extension ListingPlace {
    public init(token: String) throws(StorageError) {
        let parts = token.split(separator: "/", maxSplits: 1)
        guard parts.count == 2, let time = Date(tokenText: parts[0]) else {
            throw StorageError(.invalidNextToken, "The token '\(token)' is invalid.")
        }
        self.init(time: time, id: Identifier(String(parts[1])))
    }

    public var token: String { "\(time.milliseconds)/\(id)" }
}

/// A page of what was found, in the listing's order.
public struct ListingPage<Item> {
    public let items: ArraySlice<Item>
    /// Present when there is more.
    public let nextToken: String?

    public init<Resource>(_ found: [Item], limit: Int?, place: (Item) -> ListingPlace<Resource>) {
        items = found.prefix(limit ?? found.count)
        nextToken = items.count < found.count ? items.last.map { place($0).token } : nil
    }
}

extension ListingPage {
    /// A page of what was found in any order.
    ///
    /// - Parameter start: where the page before ended; `nil` for the first one.
    public init<Resource>(
        _ found: [Item], limit: Int?, after start: ListingPlace<Resource>?, place: (Item) -> ListingPlace<Resource>
    ) {
        let sorted = found.sorted { place($0) < place($1) }
        self.init(start.map { start in sorted.filter { start < place($0) } } ?? sorted, limit: limit, place: place)
    }
}

/// Refuses what cannot be paged.
///
/// - Parameter set: EC2's name for the parameter of ids.
public func checkPaging<Resource>(
    maxResults: Int?, ids: [Identifier<Resource>], set: String
) throws(StorageError) {
    guard let limit = maxResults else { return }
    guard ids.isEmpty else {
        throw StorageError(
            .invalidParameterCombination, "The parameter \(set) cannot be used with the parameter maxResults")
    }
    guard limit > 0 else {
        throw StorageError(
            .invalidParameterValue,
            "Value ( \(limit) ) for parameter maxResults is invalid. Expecting a value greater than 0.")
    }
}

extension Date {
    /// A time out of a token; nothing for one that no clock here shows, on which the arithmetic of dates would trap.
    fileprivate init?(tokenText: some StringProtocol) {
        let yearTenThousandMilliseconds: Int64 = 253_402_300_800_000
        guard let milliseconds = Int64(tokenText), (0..<yearTenThousandMilliseconds).contains(milliseconds) else {
            return nil
        }
        self.init(milliseconds: milliseconds)
    }
}
