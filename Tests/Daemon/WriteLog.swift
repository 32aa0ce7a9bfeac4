import Synchronization

/// What each page of a volume's blocks holds, where tests write: a stamp that no other write has; 0 for zeros.
typealias Pages = [UInt64]

extension Pages {
    static let pageBytes = 4096
    static let blockBytes = 524_288
    static let pagesPerBlock = blockBytes / pageBytes
    /// Of a volume of 1 GiB: the ends of segments and of the volume, neighbours, and some that stand alone.
    static let blocks = [0, 1, 2, 62, 63, 64, 65, 127, 128, 500, 501, 700, 1023, 1024, 1500, 1999, 2046, 2047]
    /// What stands for a page that no single write has made.
    static let torn = UInt64.max
    static let blank = Pages(repeating: 0, count: blocks.count * pagesPerBlock)

    /// Where in the volume a page lies.
    static func offset(of page: Int) -> Int64 {
        Int64(blocks[page / pagesPerBlock]) * Int64(blockBytes) + Int64(page % pagesPerBlock * pageBytes)
    }
}

/// Everything that one writer has written to its volumes, one write after another.
final class WriteLog: Sendable {
    struct Write: Hashable, Sendable {
        let volume: Int
        let pages: Range<Int>
        /// 0: a discard.
        let stamp: UInt64
    }

    private struct State {
        var writes: [Write] = []
        var endedCount = 0
        /// Of each volume, after all writes that have begun.
        var pages: [Pages]
        /// The same, before every so many writes.
        var earlier: [[Pages]] = []

        mutating func begin(_ write: Write) {
            if writes.count.isMultiple(of: interval) { earlier.append(pages) }
            writes.append(write)
            for page in write.pages { pages[write.volume][page] = write.stamp }
        }
    }

    private static let interval = 64
    private let state: Mutex<State>
    private let mark: UInt64

    /// - Parameter mark: keeps its stamps apart from those of other logs.
    init(volumes: Int, mark: UInt8) {
        state = Mutex(State(pages: Array(repeating: .blank, count: volumes)))
        self.mark = UInt64(mark) << 56
    }

    func begin(volume: Int, pages: Range<Int>, isDiscard: Bool = false) -> Write {
        state.withLock { state in
            let stamp = isDiscard ? 0 : mark | UInt64(state.writes.count + 1)
            let write = Write(volume: volume, pages: pages, stamp: stamp)
            state.begin(write)
            return write
        }
    }

    /// The last one has been acknowledged.
    func end() { state.withLock { $0.endedCount = $0.writes.count } }

    var endedCount: Int { state.withLock { $0.endedCount } }
    var begunCount: Int { state.withLock { $0.writes.count } }

    /// What the volumes hold now: all writes have ended.
    var now: Instant { Instant(self, from: endedCount, to: endedCount) }

    /// What a volume held after so many writes.
    fileprivate func pages(of volume: Int, after count: Int) -> Pages {
        state.withLock { state in
            if state.earlier.isEmpty { return .blank }
            let place = min(count / Self.interval, state.earlier.count - 1)
            var pages = state.earlier[place][volume]
            for write in state.writes[place * Self.interval..<count] where write.volume == volume {
                for page in write.pages { pages[page] = write.stamp }
            }
            return pages
        }
    }

    /// From one number of writes on, as many as have begun by another.
    fileprivate func writes(_ range: Range<Int>) -> ArraySlice<Write> {
        state.withLock { $0.writes[range.clamped(to: 0..<$0.writes.count)] }
    }
}

/// What was cut from a log's volumes at one moment, which is known only roughly: so many writes had been acknowledged
/// before the call, and so many had begun when it returned. Each look at what is in it narrows that down, also for
/// what else is of the same moment.
final class Instant: Sendable {
    let log: WriteLog
    private let counts: Mutex<[Int]>

    init(_ log: WriteLog, from: Int, to: Int) {
        self.log = log
        counts = Mutex(Array(from...to))
    }

    /// Finds the moments at which a volume may have held what was found.
    ///
    /// - Parameter agrees: of a page that does not hold what the log says, whether that is right nevertheless.
    /// - Returns: what is wrong; `nil` when nothing is.
    func narrow(to found: Pages, of volume: Int, unless agrees: (Int) -> Bool) -> String? {
        counts.withLock { counts in
            guard let first = counts.first, let last = counts.last else { return "there is no such moment" }
            var pages = log.pages(of: volume, after: first)
            // The one that was under way may be in it in part, if its process was killed at it.
            let writes = log.writes(first..<last + 1)
            var wrong = Set(pages.indices.filter { found[$0] != pages[$0] && !agrees($0) })
            let atFirst = wrong
            var right: [Int] = []
            for count in first...last {
                let next = count < writes.endIndex && writes[count].volume == volume ? writes[count] : nil
                let isRight = wrong.allSatisfy { page in
                    next.map { $0.pages.contains(page) && $0.stamp == found[page] } ?? false
                }
                if isRight, counts.contains(count) { right.append(count) }
                for page in next?.pages ?? 0..<0 {
                    pages[page] = next?.stamp ?? 0
                    if found[page] == pages[page] || agrees(page) { wrong.remove(page) } else { wrong.insert(page) }
                }
            }
            if right.isEmpty {
                let page = atFirst.min() ?? 0
                return "\(atFirst.count) pages differ from after \(first) of \(first) to \(last) writes, "
                    + "page \(page) holds \(found[page])"
            }
            counts = right
            return nil
        }
    }
}

/// What a snapshot or volume may hold: what it was made of, and what has been written to it since.
struct ExpectedContent: Sendable {
    let instant: Instant
    let volume: Int
    /// For each page that was written since, what it may hold; `nil` in it stands for what was there before.
    private var written: [Int: Set<UInt64?>] = [:]

    init(_ instant: Instant, volume: Int) {
        self.instant = instant
        self.volume = volume
    }

    mutating func begin(_ pages: Range<Int>, stamp: UInt64) {
        for page in pages { written[page, default: [nil]].insert(stamp) }
    }

    mutating func end(_ pages: Range<Int>, stamp: UInt64) {
        for page in pages { written[page] = [stamp] }
    }

    /// - Returns: what is wrong; `nil` when nothing is.
    func difference(from found: Pages) -> String? {
        for (page, allowed) in written.sorted(by: { $0.key < $1.key })
        where !allowed.contains(nil) && !allowed.contains(found[page]) {
            return "page \(page) is \(found[page]), not one of \(allowed)"
        }
        return instant.narrow(to: found, of: volume) { page in
            written[page]?.contains(found[page]) ?? false
        }
    }
}
