/// What happened to a volume that is written in whole pages, each of one byte's value: enough to tell what it may hold
/// after it was cut off somewhere.
struct PageHistory {
    static let pageBytes = 4096

    struct Change {
        var pages: Range<Int>
        var value: UInt8
    }

    private let initial: [UInt8]
    private var changes: [Change] = []
    /// How many changes have ended; the next one is under way if it has begun.
    private(set) var endedCount = 0
    /// How many changes a flush has made durable.
    private(set) var flushedCount = 0

    init(_ pages: [UInt8]) { initial = pages }

    var begunCount: Int { changes.count }

    mutating func begin(_ change: Change) { changes.append(change) }
    mutating func end() { endedCount = changes.count }
    mutating func flushed(_ count: Int) { flushedCount = max(flushedCount, count) }

    /// The pages' values after so many changes.
    func pages(after count: Int) -> [UInt8] {
        var pages = initial
        for change in changes[..<count] { for page in change.pages { pages[page] = change.value } }
        return pages
    }

    /// The first page whose value is none that it had from one number of changes to another.
    func firstImpossible(_ found: [UInt8], from: Int, to: Int) -> Int? {
        var allowed = pages(after: from).map { Set([$0]) }
        for change in changes[from..<to] { for page in change.pages { allowed[page].insert(change.value) } }
        return found.indices.first { !allowed[$0].contains(found[$0]) }
    }

    /// Whether these are the values of one moment.
    func isMoment(_ found: [UInt8], from: Int, to: Int) -> Bool {
        (from...to).contains { pages(after: $0) == found }
    }

    /// Each page's value.
    ///
    /// - Throws: when a page is torn.
    static func pages(of bytes: [UInt8]) throws -> [UInt8] {
        try stride(from: 0, to: bytes.count, by: pageBytes).map { start in
            let page = bytes[start..<start + pageBytes]
            if page.dropFirst() != page.dropLast() { throw TornPage(number: start / pageBytes) }
            return page[start]
        }
    }

    struct TornPage: Error {
        let number: Int
    }
}
