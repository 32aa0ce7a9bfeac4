#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The time in a header `Date`: `Thu, 26 Nov 2026 23:46:27 GMT`; pure. Source: RFC 9110, section 5.6.7.
enum HTTPDate {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// `nil` for what is none: a server's clock that is not understood says nothing of ours.
    static func date(_ text: String) -> Date? {
        let words = text.split(separator: " ")
        guard words.count == 6, words[5] == "GMT", let day = Int(words[1]), let year = Int(words[3]),
            let month = months.firstIndex(of: String(words[2]))
        else { return nil }
        let time = words[4].split(separator: ":").compactMap { Int($0) }
        guard time.count == 3 else { return nil }
        let digits = [year, month + 1, day].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: "-")
        // What is no time after all is `nil`, as whatever else is none.
        return try? Date.ISO8601FormatStyle().parse("\(digits)T\(words[4])Z")
    }
}
