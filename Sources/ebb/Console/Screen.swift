import Platform
import SystemPackage

/// A terminal's other screen, for what changes each second: what stood there before comes back afterwards.
enum Screen {
    /// Shows frames until `next` has none; the terminal is as it was when this returns or throws.
    static func show(_ next: () throws -> [String]?) throws {
        writeOut("\u{1B}[?1049h\u{1B}[?25l")
        defer { writeOut("\u{1B}[?25h\u{1B}[?1049l") }
        while let lines = try next() { writeOut(text(of: lines)) }
    }

    /// Each line replaces the one before it, without a flicker.
    static func text(of lines: [String]) -> String {
        "\u{1B}[H" + lines.map { $0 + "\u{1B}[K\r\n" }.joined() + "\u{1B}[J"
    }
}
