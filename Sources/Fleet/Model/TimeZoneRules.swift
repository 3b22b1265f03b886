/// A time zone: how far its clocks are from UTC at any time, as the tz database (RFC 8536) has it.
///
/// It is read here and not by Foundation, whose time zones come with ICU's tens of megabytes, nor by the C library, which has one zone for a
/// whole process.
public struct TimeZoneRules: Sendable, Equatable {
    /// As in the configuration, such as `Europe/Berlin`.
    public let name: String
    /// Seconds since 1970 at which clocks were or will be set, ascending, and the offset from then on, in seconds east of Greenwich.
    private let changes: [Change]
    /// Before the first of them.
    private let first: Int64
    /// After the last of them; nil where the last offset stays.
    private let footer: Footer?

    fileprivate struct Change: Sendable, Equatable {
        var at: Int64
        var offset: Int64
    }

    /// No summer time and no offset.
    public static let utc = TimeZoneRules(name: "UTC", changes: [], first: 0, footer: nil)

    private init(name: String, changes: [Change], first: Int64, footer: Footer?) {
        (self.name, self.changes, self.first, self.footer) = (name, changes, first, footer)
    }

    /// Reads a file of the tz database.
    /// - Parameter file: in the format TZif of RFC 8536, of version 1 to 4, without leap seconds.
    /// - Returns: nil for anything else.
    public init?(name: String, file: [UInt8]) {
        var bytes = Bytes(file[...])
        guard let header = bytes.header() else { return nil }
        if header.version == 0 {
            guard let block = bytes.block(header, wide: false) else { return nil }
            self.init(name: name, changes: block.changes, first: block.first, footer: nil)
        } else {
            // The first block is for programs of the time before 64 bits.
            guard bytes.block(header, wide: false) != nil, let second = bytes.header(), let block = bytes.block(second, wide: true) else { return nil }
            guard let line = bytes.line() else { return nil }
            let footer = line.isEmpty ? nil : Footer(line)
            guard line.isEmpty || footer != nil else { return nil }
            self.init(name: name, changes: block.changes, first: block.first, footer: footer)
        }
    }

    /// The same rule for all times.
    /// - Parameter rule: as POSIX has it in `TZ`, such as `CET-1CEST,M3.5.0,M10.5.0/3`.
    /// - Returns: nil for anything else.
    public init?(name: String, rule: String) {
        guard let footer = Footer(Array(rule.utf8)) else { return nil }
        self.init(name: name, changes: [], first: 0, footer: footer)
    }

    /// Seconds east of Greenwich.
    /// - Parameter seconds: since 1970-01-01T00:00:00Z.
    public func offset(at seconds: Int64) -> Int64 {
        guard let last = changes.last else { return footer?.offset(at: seconds) ?? first }
        if seconds >= last.at { return footer?.offset(at: seconds) ?? last.offset }
        var (low, high) = (0, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].at <= seconds { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? first : changes[low - 1].offset
    }

    /// What a clock on the wall shows, as seconds since 1970-01-01T00:00 of its own.
    public func local(_ seconds: Int64) -> Int64 { seconds + offset(at: seconds) }

    /// The first moment at which clocks show this time or a later one: where an hour is there twice, the first of the two, and where it is left
    /// out, when clocks are set.
    /// - Parameter local: seconds, as `local` gives them.
    public func begin(_ local: Int64) -> Int64 { moment(local, early: true) }

    /// The same, but of an hour that is there twice the second.
    public func end(_ local: Int64) -> Int64 { moment(local, early: false) }

    private func moment(_ local: Int64, early: Bool) -> Int64 {
        // No zone is further from Greenwich than 15 hours.
        let (before, after) = (offset(at: local - 54_000), offset(at: local + 54_000))
        for offset in early ? [before, after] : [after, before] where self.offset(at: local - offset) == offset { return local - offset }
        // Left out: between these two clocks were set.
        var (low, high) = (min(local - before, local - after), max(local - before, local - after))
        while low < high {
            let middle = low + (high - low) / 2
            if offset(at: middle) == before { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// What holds after the last change of a file: the value of `TZ` in POSIX, such as `CET-1CEST,M3.5.0,M10.5.0/3`.
private struct Footer: Sendable, Equatable {
    var standard: Int64
    var summer: Summer?

    struct Summer: Sendable, Equatable {
        var offset: Int64
        var begin: YearDay
        var end: YearDay
    }

    /// A day of each year, and a time on it.
    struct YearDay: Sendable, Equatable {
        enum Day: Sendable, Equatable {
            /// From 1 to 365; February the 29th is never counted.
            case julian(Int)
            /// From 0 to 365.
            case zeroBased(Int)
            /// The nth weekday of a month, Sunday being 0; 5 is the last.
            case weekday(month: Int, nth: Int, Int)
        }
        var day: Day
        /// Seconds after midnight; other days' midnights are allowed (RFC 8536, 3.3.1).
        var time: Int64

        /// Seconds since 1970, of the clock on the wall.
        func local(in year: Int) -> Int64 {
            let days: Int
            switch day {
            case .julian(let number):
                days = WrittenTime.days(toYear: year, 1, 1) + number - 1 + (number > 59 && WrittenTime.length(of: 2, in: year) == 29 ? 1 : 0)
            case .zeroBased(let number): days = WrittenTime.days(toYear: year, 1, 1) + number
            case .weekday(let month, let nth, let wanted):
                let first = WrittenTime.days(toYear: year, month, 1)
                // 1970 began on a Thursday.
                let offset = (wanted - (first + 4)).modulo(7)
                let length = WrittenTime.length(of: month, in: year)
                var day = offset + (nth - 1) * 7
                while day >= length { day -= 7 }
                days = first + day
            }
            return Int64(days) * 86_400 + time
        }
    }

    func offset(at seconds: Int64) -> Int64 {
        guard let summer else { return standard }
        // A clock that shows the year 300,000 is wrong, and not worth the search.
        let local = min(max(seconds, -2_000_000_000), 250_000_000_000) + standard
        let year = WrittenTime.year(ofDay: Int((local - local.modulo(86_400)) / 86_400))
        let begin = summer.begin.local(in: year) - standard
        let end = summer.end.local(in: year) - summer.offset
        // In the south the year begins in summer.
        let isSummer = begin < end ? seconds >= begin && seconds < end : seconds >= begin || seconds < end
        return isSummer ? summer.offset : standard
    }

    init?(_ text: [UInt8]) {
        var rest = Bytes(text[...])
        guard rest.zoneName(), let west = rest.time() else { return nil }
        standard = -west
        guard !rest.isAtEnd else { return }
        guard rest.zoneName() else { return nil }
        var offset = standard + 3600
        if !rest.isNext(",") {
            guard let west = rest.time() else { return nil }
            offset = -west
        }
        guard let begin = rest.yearDay(), let end = rest.yearDay(), rest.isAtEnd else { return nil }
        summer = Summer(offset: offset, begin: begin, end: end)
    }
}

/// Bytes that are read from the left.
private struct Bytes {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    // MARK: The file

    struct Header {
        var version: UInt8
        var counts: [Int]
    }

    /// The format's name, its version, fifteen bytes for later use, and six numbers.
    mutating func header() -> Header? {
        guard let magic = take(4), magic.elementsEqual("TZif".utf8), let version = take(1)?.first, take(15) != nil else { return nil }
        guard [0, 0x32, 0x33, 0x34].contains(version) else { return nil }
        let counts = (0..<6).compactMap { _ in integer(4).map(Int.init) }
        // Indicators of UT and of standard time, leap seconds, changes, kinds of time, and characters. No file has as many by far.
        guard counts.count == 6, counts.allSatisfy({ (0...100_000).contains($0) }), counts[2] == 0, counts[4] > 0 else { return nil }
        return Header(version: version, counts: counts)
    }

    mutating func block(_ header: Header, wide: Bool) -> (changes: [TimeZoneRules.Change], first: Int64)? {
        let (changes, kinds) = (header.counts[3], header.counts[4])
        let times = (0..<changes).compactMap { _ in integer(wide ? 8 : 4) }
        guard times.count == changes, let indices = take(changes) else { return nil }
        var offsets: [Int64] = []
        for _ in 0..<kinds {
            guard let offset = integer(4), take(2) != nil, abs(offset) < 100_000 else { return nil }
            offsets.append(offset)
        }
        // The zones' abbreviations and the indicators are of no use here.
        guard take(header.counts[5] + header.counts[0] + header.counts[1]) != nil else { return nil }
        guard indices.allSatisfy({ Int($0) < kinds }), zip(times, times.dropFirst()).allSatisfy(<) else { return nil }
        return (zip(times, indices).map { TimeZoneRules.Change(at: $0, offset: offsets[Int($1)]) }, offsets[0])
    }

    /// Between two line feeds.
    mutating func line() -> [UInt8]? {
        guard take(1)?.first == 0x0A, let end = rest.firstIndex(of: 0x0A) else { return nil }
        return Array(rest[..<end])
    }

    /// With a sign, the highest byte first.
    private mutating func integer(_ size: Int) -> Int64? {
        guard let bytes = take(size) else { return nil }
        let value = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return size == 4 ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
    }

    // MARK: The footer

    func isNext(_ character: Character) -> Bool { rest.first == character.asciiValue }

    private mutating func skip(_ character: Character) -> Bool {
        guard isNext(character) else { return false }
        rest = rest.dropFirst()
        return true
    }

    private mutating func number() -> Int64? {
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard (1...4).contains(digits.count) else { return nil }
        rest = rest.dropFirst(digits.count)
        return digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    /// `CET`, or in brackets what has other characters than letters, such as `<+0530>`.
    mutating func zoneName() -> Bool {
        if skip("<") {
            rest = rest.drop { $0 != 0x3E }
            return skip(">")
        }
        let letters = rest.prefix { (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) }
        rest = rest.dropFirst(letters.count)
        return letters.count >= 3
    }

    /// `[+|-]hh[:mm[:ss]]`, in seconds.
    mutating func time() -> Int64? {
        let sign: Int64 = skip("-") ? -1 : 1
        if sign == 1 { _ = skip("+") }
        guard let hours = number(), hours <= 167 else { return nil }
        var seconds = hours * 3600
        for unit in [60, 1] as [Int64] where skip(":") {
            guard let part = number(), part < 60 else { return nil }
            seconds += part * unit
        }
        return sign * seconds
    }

    /// `,Mm.n.d`, `,Jn` or `,n`, and `/time` where it is not two o'clock.
    mutating func yearDay() -> Footer.YearDay? {
        guard skip(",") else { return nil }
        let day: Footer.YearDay.Day
        if skip("M") {
            guard let month = number(), (1...12).contains(month), skip("."), let nth = number(), (1...5).contains(nth), skip("."), let weekday = number(),
                weekday <= 6
            else { return nil }
            day = .weekday(month: Int(month), nth: Int(nth), Int(weekday))
        } else if skip("J") {
            guard let number = number(), (1...365).contains(number) else { return nil }
            day = .julian(Int(number))
        } else {
            guard let number = number(), number <= 365 else { return nil }
            day = .zeroBased(Int(number))
        }
        guard skip("/") else { return Footer.YearDay(day: day, time: 7200) }
        return time().map { Footer.YearDay(day: day, time: $0) }
    }
}

extension BinaryInteger {
    /// The remainder of a division that rounds down: never negative.
    func modulo(_ divisor: Self) -> Self {
        let rest = self % divisor
        return rest < 0 ? rest + divisor : rest
    }
}
