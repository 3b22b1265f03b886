/// The two text formats in which metrics are scraped.
///
/// Prometheus' is that of https://prometheus.io/docs/instrumenting/exposition_formats/, OpenMetrics' that of
/// https://prometheus.io/docs/specs/om/open_metrics_spec/.
public enum Exposition: Sendable {
    case prometheus, openMetrics

    /// For the answer's header.
    public var contentType: String {
        switch self {
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// The format that a client asks for: OpenMetrics only where it is named, and not with less weight than plain text.
    /// - Parameter accept: the header; nil where there is none.
    public init(accept: String?) {
        var best = (openMetrics: 0.0, prometheus: 0.0)
        for range in accept?.split(separator: ",") ?? [] {
            let parts = range.split(separator: ";").map { $0.filter { !$0.isWhitespace }.lowercased() }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            switch parts.first {
            case "application/openmetrics-text": best.openMetrics = max(best.openMetrics, weight)
            case "text/plain", "text/*": best.prometheus = max(best.prometheus, weight)
            default: break
            }
        }
        self = best.openMetrics > 0 && best.openMetrics >= best.prometheus ? .openMetrics : .prometheus
    }

    /// The whole answer: families in their order, each name once.
    public func text(_ families: [MetricFamily]) -> String {
        var text = ""
        for family in families { append(family, to: &text) }
        if self == .openMetrics { text += "# EOF\n" }
        return text
    }

    private func append(_ family: MetricFamily, to text: inout String) {
        let sample = family.name + Self.suffix(family.kind)
        // OpenMetrics names the family without its suffix, and knows infos; Prometheus names the samples.
        let name = self == .openMetrics ? family.name : sample
        let kind = self == .prometheus && family.kind == .info ? "gauge" : family.kind.rawValue
        text += "# HELP \(name) \(Self.escaped(family.help, quotes: self == .openMetrics))\n# TYPE \(name) \(kind)\n"
        for series in family.series {
            switch series.value {
            case .number(let number): Self.line(sample, series.labels, number, to: &text)
            case .distribution(let distribution): Self.append(distribution, family.name, series.labels, to: &text)
            }
        }
    }

    private static func suffix(_ kind: MetricFamily.Kind) -> String {
        switch kind {
        case .counter: "_total"
        case .info: "_info"
        case .gauge, .histogram: ""
        }
    }

    private static func append(_ distribution: Distribution, _ name: String, _ labels: [MetricFamily.Label], to text: inout String) {
        var count: UInt64 = 0
        for (bound, inside) in zip(distribution.bounds.map(Self.number) + ["+Inf"], distribution.counts) {
            count += inside
            line("\(name)_bucket", labels + [.init("le", bound)], Double(count), to: &text)
        }
        line("\(name)_sum", labels, distribution.sum, to: &text)
        line("\(name)_count", labels, Double(count), to: &text)
    }

    private static func line(_ name: String, _ labels: [MetricFamily.Label], _ value: Double, to text: inout String) {
        text += name
        if !labels.isEmpty {
            text += "{" + labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",") + "}"
        }
        text += " \(number(value))\n"
    }

    /// OpenMetrics wants the bounds of buckets to be written as floats: `1.0`.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return "\(value)"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += #"\\"#
            case "\n": escaped += #"\n"#
            case "\"" where quotes: escaped += #"\""#
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
