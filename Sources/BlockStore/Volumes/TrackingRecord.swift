import Platform
import SystemPackage

/// What is known of a volume's changes, as a small text file beside them; pure.
///
/// It is replaced as a whole. Whether the last one survives a loss of power does not matter: a record of another boot,
/// or one that cannot be read, says nothing, and everything may have changed. Only a clean record, made durable when
/// nothing changes any more, holds in the next boot; it is replaced durably before anything changes again.
struct TrackingRecord: Hashable, Sendable {
    /// The boot in which it was written.
    var boot: String?
    /// Whether nothing changed since, so that it holds in any boot.
    var isClean = false
    /// What changes are counted from: a cut, or what the volume was made from. `nil`: nothing is counted.
    var base: String?
    /// Which file has the changes.
    var generation = 0
    /// The volume's cuts that are not finished, the oldest first.
    var cuts: [String] = []

    var text: String {
        var lines = ["ebb-volume-tracking 1", "generation \(generation)"]
        if let boot { lines.append("boot \(boot)") }
        if isClean { lines.append("state clean") }
        if let base { lines.append("base \(base)") }
        lines += cuts.map { "cut \($0)" }
        return (lines + ["end", ""]).joined(separator: "\n")
    }
}

extension TrackingRecord {
    /// Nil for what is not such a record, or not all of it.
    init?(text: String) {
        let lines = text.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1).map(String.init) }
        guard lines.first == ["ebb-volume-tracking", "1"], lines.last == ["end"] else { return nil }
        for line in lines.dropFirst().dropLast() {
            guard line.count == 2 else { return nil }
            switch line[0] {
            case "generation":
                guard let number = Int(line[1]) else { return nil }
                generation = number
            case "boot": boot = line[1]
            case "state":
                guard line[1] == "clean" else { return nil }
                isClean = true
            case "base": base = line[1]
            case "cut": cuts.append(line[1])
            default: return nil
            }
        }
    }
}
