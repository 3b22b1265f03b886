/// Sizes and times as people write them.
enum Units {
    /// Bytes from "2GiB", "512MiB", "1.5 GB" or "1048576"; nil for anything else. K, M and G are powers of 1024.
    static func bytes(_ text: String) -> Int64? {
        let factors: [String: Double] = [
            "": 1, "b": 1, "kib": 0x1p10, "mib": 0x1p20, "gib": 0x1p30, "tib": 0x1p40, "kb": 1e3,
            "mb": 1e6, "gb": 1e9, "tb": 1e12, "k": 0x1p10, "m": 0x1p20, "g": 0x1p30,
        ]
        guard let (number, unit) = split(text), let factor = factors[unit] else { return nil }
        return Int64(exactly: (number * factor).rounded())
    }

    /// What `bytes` takes, as a regular expression.
    /// - Parameter none: whether the word "none" is a value, too.
    static func sizePattern(orNone none: Bool = false) -> String {
        let size = #"\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*([kKmMgGtT][iI]?[bB]|[bBkKmMgG])?\s*"#
        return none ? "^(none|\(size))$" : "^\(size)$"
    }

    /// The inverse of `bytes`, in the largest binary unit without a fraction.
    static func text(bytes: Int64) -> String {
        for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes > 0 && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes)"
    }

    /// From "5m", "30s", "1h30m", "250ms" or "0"; nil for anything else.
    static func duration(_ text: String) -> Duration? {
        let factors: [String: Double] = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
        var rest = text.filter { !$0.isWhitespace }[...]
        guard !rest.isEmpty else { return nil }
        if rest == "0" { return .zero }
        var total = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            let unit = rest.dropFirst(digits.count).prefix { $0.isLetter }
            guard let number = Double(digits), let factor = factors[unit.lowercased()] else { return nil }
            total += number * factor
            rest = rest.dropFirst(digits.count + unit.count)
        }
        return total < 1e12 ? .milliseconds(Int64(total)) : nil
    }

    /// What `duration` takes, as a regular expression.
    static let durationPattern = #"^\s*(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*([mM][sS]|[sSmMhHdD])\s*)+)\s*$"#

    /// The inverse of `duration`.
    static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        var rest = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        var text = ""
        for (unit, factor) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] as [(String, Int64)] where rest >= factor {
            text += "\(rest / factor)\(unit)"
            rest %= factor
        }
        return text.isEmpty ? "0" : text
    }

    private static func split(_ text: String) -> (Double, String)? {
        let compact = text.filter { !$0.isWhitespace }
        let digits = compact.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let number = Double(digits), number.isFinite else { return nil }
        return (number, compact.dropFirst(digits.count).lowercased())
    }
}
