#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Times on the wire: `2026-11-23T12:59:17.123Z`, with 0, 3 or 6 digits after the second, as proto3's JSON writes
/// `google.protobuf.Timestamp`. Up to 9 digits are read.
///
/// Both directions go through whole microseconds and one division, so that a time of whole microseconds comes out
/// as it went in.
package enum Timestamp {
    package static func text(_ date: Date) -> String {
        let microseconds = Int((date.timeIntervalSinceReferenceDate * 1e6).rounded())
        let total = Int((Double(microseconds) / 1e6).rounded(.down))
        let days = Int((Double(total) / 86400).rounded(.down))
        let second = total - days * 86400
        let (year, month, day) = civil(daysSince2001: days)
        let time = "\(padded(second / 3600)):\(padded(second / 60 % 60)):\(padded(second % 60))"
        let rest = fraction(microseconds - total * 1_000_000)
        return "\(padded(year, 4))-\(padded(month))-\(padded(day))T\(time)\(rest)Z"
    }

    /// - Returns: `nil` for what is not such a text.
    package static func date(_ text: String) -> Date? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes.last == UInt8(ascii: "Z"),
            bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"), bytes[10] == UInt8(ascii: "T"),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"),
            let year = number(bytes[0..<4]), let month = number(bytes[5..<7]), let day = number(bytes[8..<10]),
            let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]),
            let second = number(bytes[17..<19]), let nanoseconds = nanoseconds(bytes[19..<(bytes.count - 1)]),
            1...12 ~= month, 1...31 ~= day, hour < 24, minute < 60, second < 60
        else { return nil }
        let days = daysSince2001(year: year, month: month, day: day)
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
        let microseconds = seconds * 1_000_000 + nanoseconds / 1_000
        return Date(timeIntervalSinceReferenceDate: Double(microseconds) / 1e6)
    }

    private static func padded(_ value: Int, _ width: Int = 2) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func fraction(_ microseconds: Int) -> String {
        if microseconds == 0 { return "" }
        if microseconds % 1_000 == 0 { return "." + padded(microseconds / 1_000, 3) }
        return "." + padded(microseconds, 6)
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for byte in digits {
            guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value
    }

    /// `text` is empty, or a point and one to nine digits.
    private static func nanoseconds(_ text: ArraySlice<UInt8>) -> Int? {
        if text.isEmpty { return 0 }
        guard text.first == UInt8(ascii: "."), 2...10 ~= text.count, var value = number(text.dropFirst()) else {
            return nil
        }
        for _ in text.count..<10 { value *= 10 }
        return value
    }

    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, eras have 400 years.
    private static let daysFromEraTo2001 = 730_791

    private static func daysSince2001(year: Int, month: Int, day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - daysFromEraTo2001
    }

    private static func civil(daysSince2001 days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = max(0, days + daysFromEraTo2001)
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
