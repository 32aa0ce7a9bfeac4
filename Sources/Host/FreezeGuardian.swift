// The process that keeps filesystems frozen, and that thaws them.
//
// A frozen filesystem keeps every writer waiting, and nothing but thawing ends that: not a signal, nor the death of
// whoever froze it. So the daemon, which may die at any point, never freezes by itself. It starts a guardian, which
// - freezes, says so, and waits;
// - thaws when its input ends, which is when the daemon says so, and when the daemon dies, however it dies;
// - thaws when its time is over, though the daemon hangs;
// - does not end by a signal that it can ignore, and needs neither a file nor a further process to thaw.
// What is left is that the guardian itself is killed. Then the daemon thaws by a second one; a daemon that begins
// does so for what its predecessor's book calls frozen, if both were killed.

import Driver
import Platform
import SystemPackage

/// A mounted filesystem: where it is mounted, and the number by which that is checked, since to freeze another one that
/// has come there would be a disaster.
public struct FrozenPlace: Hashable, Sendable {
    public var number: DeviceNumber
    public var path: String

    public init(number: DeviceNumber, path: String) {
        self.number = number
        self.path = path
    }
}

/// What a guardian is to do, as it stands on its command line.
enum GuardianOrder: Hashable, Sendable {
    /// Freeze, for at most so long.
    case hold([FrozenPlace], limitMilliseconds: Int64)
    /// Thaw what somebody left frozen.
    case thaw([FrozenPlace])

    var arguments: [String] {
        switch self {
        case .hold(let places, let milliseconds): ["hold", "\(milliseconds)"] + Self.words(places)
        case .thaw(let places): ["thaw"] + Self.words(places)
        }
    }

    init?(arguments: [String]) {
        var words = arguments[...]
        switch words.popFirst() {
        case "hold":
            guard let limit = words.popFirst().flatMap({ Int64($0) }), let places = Self.places(words) else {
                return nil
            }
            self = .hold(places, limitMilliseconds: limit)
        case "thaw":
            guard let places = Self.places(words) else { return nil }
            self = .thaw(places)
        default: return nil
        }
    }

    var places: [FrozenPlace] {
        switch self {
        case .hold(let places, _), .thaw(let places): places
        }
    }

    /// For messages.
    var paths: String { places.map { "'\($0.path)'" }.joined(separator: ", ") }

    private static func words(_ places: [FrozenPlace]) -> [String] { places.flatMap { ["\($0.number)", $0.path] } }

    private static func places(_ words: ArraySlice<String>) -> [FrozenPlace]? {
        var words = words
        var places: [FrozenPlace] = []
        while let text = words.popFirst() {
            guard let number = DeviceNumber(text), let path = words.popFirst() else { return nil }
            places.append(FrozenPlace(number: number, path: path))
        }
        return places.isEmpty ? nil : places
    }
}

/// What a guardian says, a line each.
enum GuardianWord: Hashable, Sendable {
    case frozen
    /// The last word: all stayed frozen until it was told to thaw, or was not frozen at all since nobody waited for it.
    case thawed
    /// The last word: nothing is frozen any more, but not since it was told so.
    case expired
    /// The last word: this could not be done, and nothing is frozen.
    case refused(GuardianRefusal)

    var line: String {
        switch self {
        case .frozen: "frozen"
        case .thawed: "thawed"
        case .expired: "expired"
        case .refused(let refusal): "refused \(refusal.errno) \(refusal.step.rawValue) \(refusal.index)"
        }
    }

    init?(line: String) {
        switch line {
        case "frozen": self = .frozen
        case "thawed": self = .thawed
        case "expired": self = .expired
        default:
            let parts = line.split(separator: " ")
            guard parts.count == 4, parts[0] == "refused", let errno = Int32(parts[1]),
                let step = GuardianRefusal.Step(rawValue: String(parts[2])), let index = Int(parts[3])
            else { return nil }
            self = .refused(GuardianRefusal(errno: errno, step: step, index: index))
        }
    }
}

struct GuardianRefusal: Error, Hashable {
    /// 0 where no system call failed.
    var errno: Int32
    var step: Step
    /// Of the place that it is about, in the order's list.
    var index: Int

    enum Step: String, Sendable {
        case open
        /// Another filesystem is there.
        case compare
        case flush
        case freeze
        case thaw
    }
}

/// A guardian's own side.
public struct FreezeGuardian: Sendable {
    private let clock: any Clock

    /// Does what the command line says; the daemon is at the other end of standard input and output.
    ///
    /// - Returns: the exit status: 0 when nothing is frozen by this process any more.
    public static func run(_ arguments: [String], clock: any Clock) -> Int32 {
        ignoreEndingSignals()
        ignoreBrokenPipes()
        guard let order = GuardianOrder(arguments: arguments) else { return 2 }
        let guardian = FreezeGuardian(clock: clock)
        do {
            switch order {
            case .hold(let places, let milliseconds):
                guardian.say(try guardian.hold(places, limit: .milliseconds(milliseconds)))
            case .thaw(let places):
                guardian.say(try guardian.thaw(try guardian.open(places)))
            }
            return 0
        } catch {
            guardian.say(.refused(error))
            return error.step == .thaw ? 1 : 0
        }
    }

    /// A filesystem that is held on to, whatever becomes of its mount.
    private struct Opened {
        var index: Int
        var file: FileDescriptor
    }

    private func hold(_ places: [FrozenPlace], limit: Duration) throws(GuardianRefusal) -> GuardianWord {
        let opened = try open(places)
        // Most of what has to be written is written while writers still may write.
        for place in opened {
            try attempt(.flush, place.index) { () throws(Errno) in try place.file.synchronizeFilesystem() }
        }
        if isReleased(within: .zero) { return .thawed }
        let end = clock.uptime() + limit
        try freeze(opened)
        var isReleased = !say(.frozen)
        while !isReleased, clock.uptime() < end { isReleased = self.isReleased(within: end - clock.uptime()) }
        let word = try thaw(opened)
        return isReleased ? word : .expired
    }

    private func open(_ places: [FrozenPlace]) throws(GuardianRefusal) -> [Opened] {
        var opened: [Opened] = []
        for (index, place) in places.enumerated() {
            let file = try attempt(.open, index) { () throws(Errno) in
                try FileDescriptor.openFile(FilePath(place.path), .readOnly)
            }
            let number = try attempt(.open, index) { () throws(Errno) in try file.filesystemDevice() }
            guard DeviceNumber(major: Int(number.major), minor: Int(number.minor)) == place.number else {
                throw GuardianRefusal(errno: 0, step: .compare, index: index)
            }
            opened.append(Opened(index: index, file: file))
        }
        return opened
    }

    /// All or none.
    private func freeze(_ places: [Opened]) throws(GuardianRefusal) {
        var frozen: [Opened] = []
        do throws(GuardianRefusal) {
            for place in places {
                try attempt(.freeze, place.index) { () throws(Errno) in try place.file.freezeFilesystem() }
                frozen.append(place)
            }
        } catch {
            _ = try thaw(frozen)
            throw error
        }
    }

    /// All of them, also when one cannot be thawed.
    ///
    /// - Returns: `.expired` if one was not frozen any more.
    private func thaw(_ places: [Opened]) throws(GuardianRefusal) -> GuardianWord {
        var word = GuardianWord.thawed
        var failure: GuardianRefusal?
        for place in places.reversed() {
            do throws(Errno) {
                try place.file.thawFilesystem()
            } catch {
                if error == .invalidArgument {
                    word = .expired
                } else {
                    failure = GuardianRefusal(errno: error.rawValue, step: .thaw, index: place.index)
                }
            }
        }
        if let failure { throw failure }
        return word
    }

    private func attempt<Value>(
        _ step: GuardianRefusal.Step, _ index: Int, _ body: () throws(Errno) -> Value
    ) throws(GuardianRefusal) -> Value {
        do throws(Errno) {
            return try body()
        } catch {
            throw GuardianRefusal(errno: error.rawValue, step: step, index: index)
        }
    }

    /// Whether the daemon has closed its end, or is gone.
    private func isReleased(within time: Duration) -> Bool {
        do {
            return try !waitUntilReadable([.standardInput], timeout: time).isEmpty
        } catch {
            // Who cannot hear when to thaw thaws now.
            return true
        }
    }

    /// - Returns: whether the daemon can hear it. Nobody waits for a word that it cannot.
    @discardableResult
    private func say(_ word: GuardianWord) -> Bool {
        do {
            try FileDescriptor.standardOutput.writeAll((word.line + "\n").utf8)
            return true
        } catch {
            return false
        }
    }
}
