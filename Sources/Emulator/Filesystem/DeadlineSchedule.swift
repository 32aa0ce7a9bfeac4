import HeapModule

/// Who is due when; pure. Slots are numbers below a fixed capacity, and nothing is allocated after `init`.
///
/// Of two with the same deadline the one that came first goes first.
struct DeadlineSchedule: Sendable {
    struct Ticket: Comparable, Sendable {
        let deadline: Nanoseconds
        fileprivate let sequence: UInt64
        let slot: Int

        static func < (left: Self, right: Self) -> Bool {
            (left.deadline, left.sequence) < (right.deadline, right.sequence)
        }

        static func == (left: Self, right: Self) -> Bool { left.sequence == right.sequence }
    }

    private var tickets = Heap<Ticket>()
    private var freeSlots: [Int]
    private var sequence: UInt64 = 0

    init(capacity: Int) {
        tickets.reserveCapacity(capacity)
        freeSlots = Array((0..<capacity).reversed())
    }

    /// The first deadline; `nil` when nobody waits.
    var first: Nanoseconds? { tickets.min?.deadline }

    /// A slot to put something into before `add`; `nil` when all are taken.
    mutating func takeSlot() -> Int? { freeSlots.popLast() }

    /// What was in the slot is gone.
    mutating func freeSlot(_ slot: Int) { freeSlots.append(slot) }

    mutating func add(_ slot: Int, deadline: Nanoseconds) {
        sequence += 1
        tickets.insert(Ticket(deadline: deadline, sequence: sequence, slot: slot))
    }

    /// The first of those whose deadline has come; its slot stays taken.
    mutating func popDue(at now: Nanoseconds) -> Ticket? {
        guard let first, first <= now else { return nil }
        return tickets.popMin()
    }

    /// Takes out those whose slot matches, in the order of their deadlines; their slots stay taken.
    mutating func remove(where matches: (Int) -> Bool) -> [Ticket] {
        let found = tickets.unordered.filter { matches($0.slot) }.sorted()
        if !found.isEmpty { tickets.removeAll { ticket in matches(ticket.slot) } }
        return found
    }
}
