/// Numbers as people read them: a fixed number of decimals, thousands set apart.
enum Figures {
    /// Such as `1,234.5`.
    static func decimal(_ value: Double, places: Int) -> String {
        guard value.isFinite else { return "-" }
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let scaled = (value.magnitude * scale).rounded()
        guard scaled < 1e18 else { return "-" }
        let digits = String(Int64(scaled))
        let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
        let sign = value < 0 && scaled > 0 ? "-" : ""
        let whole = grouped(padded.dropLast(places))
        return sign + whole + (places > 0 ? "." + padded.suffix(places) : "")
    }

    static func integer(_ value: Int64) -> String {
        (value < 0 ? "-" : "") + grouped(String(value.magnitude)[...])
    }

    private static func grouped(_ digits: Substring) -> String {
        var result = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { result += "," }
            result.append(digit)
        }
        return result
    }

    static func milliseconds(_ nanoseconds: Double) -> String { decimal(nanoseconds / 1e6, places: 2) + " ms" }

    static func mebibytes(_ bytes: Double) -> String { decimal(bytes / 1_048_576, places: 1) }

    /// In the unit that fits, such as `1.5 GiB`.
    static func bytes(_ bytes: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (value, unit) = (Double(bytes), 0)
        while value >= 1_024, unit < units.count - 1 { (value, unit) = (value / 1_024, unit + 1) }
        return decimal(value, places: unit == 0 ? 0 : 1) + " " + units[unit]
    }

    static func percent(_ share: Double) -> String { decimal(share * 100, places: 0) + " %" }

    /// A bar of `width` characters, filled by a share of it.
    static func bar(_ share: Double, width: Int) -> String {
        let filled = Int((max(0, min(1, share)) * Double(width)).rounded())
        return String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    }

    /// A line of small bars, the highest of which stands for the largest value.
    static func sparkline(_ values: [Double]) -> String {
        let steps = Array("▁▂▃▄▅▆▇█")
        let top = values.max() ?? 0
        return String(
            values.map { value in
                top > 0 ? steps[min(steps.count - 1, Int(value / top * Double(steps.count)))] : steps[0]
            })
    }

    /// Filled with blanks on the left up to a width.
    static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// Filled with blanks on the right up to a width.
    static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
