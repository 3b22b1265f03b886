import Foundation

/// A duration as people write it: `1 week`, `3 mins 4 sec`, `2h20min`, `90` (seconds), `never`.
struct WrittenDuration: Equatable {
    /// A thousand years: longer ones are beyond what calendars and integers are made for.
    private static let bound = 1000.0 * 31_536_000

    /// nil: never ends.
    var seconds: Double?

    /// nil for what is no duration.
    init?(_ text: String) {
        let words = text.lowercased().trimmingCharacters(in: .whitespaces)
        if words == "never" { return }
        if let number = Double(words), number >= 0 {
            guard number <= Self.bound else { return nil }
            seconds = number
            return
        }
        var rest = words[...]
        var sum = 0.0
        while !rest.isEmpty {
            guard let match = rest.prefixMatch(of: /(?:,|and\b|\s)*(\d+(?:\.\d+)?)\s*([a-z]+)(?:,|\s)*/), let number = Double(match.1),
                let unit = Self.units.first(where: { $0.names.contains(String(match.2)) })
            else { return nil }
            sum += number * unit.seconds
            rest = rest[match.range.upperBound...]
        }
        if words.isEmpty || sum > Self.bound { return nil }
        seconds = sum
    }

    private static let units: [(names: Set<String>, seconds: Double)] = [
        (["s", "sec", "secs", "second", "seconds"], 1), (["m", "min", "mins", "minute", "minutes"], 60), (["h", "hr", "hrs", "hour", "hours"], 3600),
        (["d", "dy", "day", "days"], 86_400), (["w", "wk", "wks", "week", "weeks"], 604_800), (["mo", "mos", "month", "months"], 2_592_000),
        (["y", "yr", "yrs", "year", "years"], 31_536_000),
    ]
}
