import Synchronization

/// The one source of randomness below `ebbd`, so that a seed repeats a run.
public protocol RandomSource: Sendable {
    func next() -> UInt64
}

extension RandomSource {
    /// `count` lower-case hexadecimal digits.
    public func hexDigits(_ count: Int) -> String {
        var digits = ""
        while digits.count < count {
            let word = String(next(), radix: 16)
            digits += String(repeating: "0", count: 16 - word.count) + word
        }
        return String(digits.prefix(count))
    }
}

/// The kernel's randomness.
public struct SystemRandom: RandomSource {
    public init() {}

    public func next() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): every seed gives one sequence, the same on every machine.
public struct SplitMix64: Hashable, Sendable {
    private var state: UInt64

    public init(seed: UInt64) {
        state = seed
    }

    public mutating func next() -> UInt64 {
        state &+= Self.step
        return Self.mixed(state)
    }

    /// The word at a place of a seed's sequence, without those before it.
    public static func word(_ number: UInt64, ofSeed seed: UInt64) -> UInt64 {
        mixed(seed &+ (number &+ 1) &* step)
    }

    private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

    private static func mixed(_ state: UInt64) -> UInt64 {
        var word = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// `SplitMix64` behind a lock, for whoever takes a `RandomSource`.
public final class SeededRandom: RandomSource {
    private let generator: Mutex<SplitMix64>

    public init(seed: UInt64) {
        generator = Mutex(SplitMix64(seed: seed))
    }

    public func next() -> UInt64 {
        generator.withLock { $0.next() }
    }
}
