// For rounding, which the standard library leaves to the C library that this import links.
import FoundationEssentials

extension Int {
    /// The whole number below, from 0 to 10¹⁵: whatever the figure, the page comes out.
    init(bounded value: Double) { self = value > 0 ? Int(Swift.min(value, 1e15)) : 0 }
}

/// Times and durations, as the page writes them. `autogit.js` writes ages in the same words, so that they don't jump when it takes over.
enum Moments {
    /// Seconds since 1970 of the views' times, `2026-07-01T12:00:00.000Z`; nil for any other text.
    static func seconds(_ text: String) -> Double? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes.count <= 30, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"), bytes[10] == UInt8(ascii: "T"),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"), bytes.last == UInt8(ascii: "Z"),
            let year = number(bytes[0..<4]), let month = number(bytes[5..<7]), let day = number(bytes[8..<10]), let hour = number(bytes[11..<13]),
            let minute = number(bytes[14..<16]), let second = number(bytes[17..<19]), (1...12).contains(month)
        else { return nil }
        var fraction = 0.0
        if bytes.count > 20 {
            guard bytes[19] == UInt8(ascii: "."), let digits = number(bytes[20..<bytes.count - 1]) else { return nil }
            fraction = Double(digits)
            for _ in 20..<bytes.count - 1 { fraction /= 10 }
        }
        return Double(days(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + second) + fraction
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return digits.isEmpty ? nil : value
    }

    /// Days since 1970-01-01 in the Gregorian calendar (https://howardhinnant.github.io/date_algorithms.html#days_from_civil).
    private static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// A time as the views write it, in whole seconds.
    static func text(_ seconds: Double) -> String {
        // From 1970 to 9999; anything else is a broken clock.
        let whole = min(Int(bounded: seconds), 253_402_300_799)
        let (day, second) = whole.quotientAndRemainder(dividingBy: 86_400)
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let part = (5 * dayOfYear + 2) / 153
        let month = part < 10 ? part + 3 : part - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfYear - (153 * part + 2) / 5 + 1, 2))"
        return "\(date)T\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))Z"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// For ages and countdowns: `42 s`, `3 m 20 s`, `2 h 05 m`, `3 d 4 h`.
    static func age(_ seconds: Double) -> String {
        let whole = Int(bounded: seconds)
        switch whole {
        case ..<60: return "\(whole)\u{A0}s"
        case ..<3600: return "\(whole / 60)\u{A0}m\u{A0}\(padded(whole % 60, 2))\u{A0}s"
        case ..<86_400: return "\(whole / 3600)\u{A0}h\u{A0}\(padded(whole / 60 % 60, 2))\u{A0}m"
        default: return "\(whole / 86_400)\u{A0}d\u{A0}\(whole / 3600 % 24)\u{A0}h"
        }
    }

    /// For what was measured: as an age, finer under ten seconds.
    static func duration(_ seconds: Double) -> String {
        if seconds < 0.0995 { return "\(Int(bounded: (seconds * 1000).rounded()))\u{A0}ms" }
        if seconds < 9.95 {
            let tenths = Int(bounded: (seconds * 10).rounded())
            return "\(tenths / 10).\(tenths % 10)\u{A0}s"
        }
        return age(seconds.rounded())
    }

    /// For an axis, where the figures are round: `30 s`, `5 m`, `2 h`.
    static func round(_ seconds: Double) -> String {
        switch seconds {
        case ..<1: duration(seconds)
        case ..<60: "\(Int(bounded: seconds))\u{A0}s"
        case ..<3600: "\(Int(bounded: seconds / 60))\u{A0}m"
        case ..<86_400: "\(Int(bounded: seconds / 3600))\u{A0}h"
        default: "\(Int(bounded: seconds / 86_400))\u{A0}d"
        }
    }
}

/// Amounts, as the page writes them.
enum Amounts {
    /// Bytes in binary units: `512 MiB`, `1.5 GiB`.
    static func bytes(_ bytes: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var (value, unit) = (Double(max(bytes, 0)), 0)
        while value >= 1024, unit + 1 < units.count { (value, unit) = (value / 1024, unit + 1) }
        return "\(decimal(value))\u{A0}\(units[unit])"
    }

    /// With one decimal where it has a fraction.
    static func decimal(_ value: Double) -> String {
        let tenths = Int(bounded: (value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    /// A number with its noun in the singular or plural.
    static func count(_ number: Int, _ noun: String, _ plural: String? = nil) -> String { "\(number)\u{A0}\(number == 1 ? noun : plural ?? noun + "s")" }
}
