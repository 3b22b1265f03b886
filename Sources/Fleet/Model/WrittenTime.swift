/// Points in time as other programs write them. GitLab's API writes ISO 8601 in the instance's time zone, its hooks
/// `2021-02-23 02:41:37 UTC`, and which one comes depends on its version; engines write nanoseconds and the host's offset.
public enum WrittenTime {
    /// Reads a date, a time and a zone in all of these formats: `T` or a space between date and time, a
    /// fraction of a second or none, and `Z`, `UTC` or an offset such as `+02:00`, `+0200` or `+02`, after a space or not.
    ///
    /// - Returns: the instant, cut to whole seconds (towards the past); nil for anything else. A time without a zone could be
    ///   any of a day's instants, so it is nil, too.
    public static func wholeSeconds(_ text: String) -> Timestamp? {
        var rest = Digits(text.utf8)
        guard let year = rest.number(of: 4), rest.skip("-"), let month = rest.number(of: 2), rest.skip("-"), let day = rest.number(of: 2),
            rest.skip("T") || rest.skip("t") || rest.skip(" "),
            let hour = rest.number(of: 2), rest.skip(":"), let minute = rest.number(of: 2), rest.skip(":"), let second = rest.number(of: 2)
        else { return nil }
        // 60 is a leap second, which counts as the next minute's first.
        guard (1...12).contains(month), (1...length(of: month, in: year)).contains(day), hour < 24, minute < 60, second <= 60 else { return nil }
        guard rest.skipFraction(), let offset = rest.zone(), rest.isAtEnd else { return nil }
        let seconds = ((days(toYear: year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset
        return Timestamp(milliseconds: Int64(seconds) * 1000)
    }

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    static func length(of month: Int, in year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01 in the Gregorian calendar; negative before it.
    static func days(toYear year: Int, _ month: Int, _ day: Int) -> Int {
        /// Leap days before the first of January of a year that is not negative.
        func leapDays(before year: Int) -> Int {
            guard year > 0 else { return 0 }
            let last = year - 1
            return last / 4 - last / 100 + last / 400 + 1
        }
        let beforeMonth = (1..<month).reduce(0) { $0 + length(of: $1, in: year) }
        return (year - 1970) * 365 + leapDays(before: year) - leapDays(before: 1970) + beforeMonth + day - 1
    }

    /// The year of a day that is counted from 1970-01-01.
    static func year(ofDay day: Int) -> Int {
        var year = 1970 + day / 366
        while days(toYear: year + 1, 1, 1) <= day { year += 1 }
        while days(toYear: year, 1, 1) > day { year -= 1 }
        return year
    }
}

/// ASCII that is read from the left.
private struct Digits {
    private var rest: Substring.UTF8View

    init(_ text: String.UTF8View) { rest = text[...] }

    var isAtEnd: Bool { rest.isEmpty }

    private var digit: Int? {
        guard let byte = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
        return Int(byte - UInt8(ascii: "0"))
    }

    mutating func skip(_ text: StaticString) -> Bool {
        let wanted = text.withUTF8Buffer { Array($0) }
        guard rest.starts(with: wanted) else { return false }
        rest = rest.dropFirst(wanted.count)
        return true
    }

    mutating func number(of length: Int) -> Int? {
        var number = 0
        for _ in 0..<length {
            guard let digit else { return nil }
            number = number * 10 + digit
            rest = rest.dropFirst()
        }
        return number
    }

    /// - Returns: false for a point without digits.
    mutating func skipFraction() -> Bool {
        guard skip(".") || skip(",") else { return true }
        guard digit != nil else { return false }
        while digit != nil { rest = rest.dropFirst() }
        return true
    }

    /// The zone's offset in seconds east of Greenwich.
    mutating func zone() -> Int? {
        _ = skip(" ")
        if skip("Z") || skip("z") || skip("UTC") || skip("GMT") { return 0 }
        let sign: Int
        if skip("+") { sign = 1 } else if skip("-") { sign = -1 } else { return nil }
        guard let hours = number(of: 2) else { return nil }
        var minutes = 0
        if skip(":") || digit != nil {
            guard let read = number(of: 2) else { return nil }
            minutes = read
        }
        guard hours < 24, minutes < 60 else { return nil }
        return sign * (hours * 60 + minutes) * 60
    }
}
