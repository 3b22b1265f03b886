/// A small chart: for each hour a light bar with a dark one in front of it, from the same ground. It is drawn with attributes and classes only,
/// because the content security policy allows no inline style.
struct Chart {
    /// One hour.
    struct Slot {
        /// ISO 8601.
        var startsAt: String
        /// The median, or failed jobs.
        var dark: Double?
        /// The 95th percentile, or all jobs.
        var light: Double?
    }

    enum Unit { case seconds, jobs }

    let id: StaticString
    let title: StaticString
    let unit: Unit
    let slots: [Slot]

    private static let (width, left, top, height) = (360.0, 40.0, 10.0, 92.0)

    func html() -> HTML {
        let (id, title) = (HTML(stringLiteral: id), HTML(stringLiteral: title))
        let most = slots.compactMap { [$0.dark, $0.light].compactMap(\.self).filter(\.isFinite).max() }.max() ?? 0
        let bound = Self.bound(over: most, unit)
        let keys: HTML =
            unit == .seconds
            ? "<span class='key dark'>median</span> <span class='key light'>95 %</span>"
            : "<span class='key failed'>failed</span> <span class='key light'>all</span>"
        return """
            <figure class='\(unit == .seconds ? "time" : "jobs")'><figcaption><h3>\(title)</h3><p class='soft'>\(keys)</p></figcaption>\
            <svg class='chart' viewBox='0 0 360 124' role='img' aria-labelledby='chart-\(id)-title chart-\(id)-text'>\
            <title id='chart-\(id)-title'>\(title), by hour</title><desc id='chart-\(id)-text'>\(summary())</desc>\(axes(bound))\(bars(bound))</svg>\
            <p class='soft'>\(summary())</p></figure>
            """
    }

    private func axes(_ bound: Double) -> HTML {
        let (left, right, ground) = (Self.number(Self.left), Self.number(Self.width), Self.number(Self.top + Self.height))
        let (top, middle) = (Self.number(Self.top), Self.number(Self.top + Self.height / 2))
        let labels = [bound, bound / 2].map { value -> String in
            switch unit {
            case .seconds: Moments.round(value)
            case .jobs: Amounts.decimal(value)
            }
        }
        return """
            <path class='grid' d='M\(left) \(top)H\(right)M\(left) \(middle)H\(right)'/><path class='ground' d='M\(left) \(ground)H\(right)'/>\
            <g class='ticks' aria-hidden='true'><text x='34' y='14' text-anchor='end'>\(labels[0])</text>\
            <text x='34' y='60' text-anchor='end'>\(labels[1])</text>\
            <text x='40' y='119'>24\u{A0}h ago</text><text x='200' y='119' text-anchor='middle'>12\u{A0}h ago</text>\
            <text x='360' y='119' text-anchor='end'>now</text></g>
            """
    }

    private func bars(_ bound: Double) -> HTML {
        let step = (Self.width - Self.left) / Double(max(Bounds.history, 1))
        let first = Bounds.history - slots.count
        var all = HTML.empty
        for (index, slot) in slots.enumerated() where (slot.light ?? 0) > 0 || (slot.dark ?? 0) > 0 {
            let x = Self.left + Double(first + index) * step
            all += """
                <g><title>\(tooltip(slot))</title><rect class='hit' x='\(Self.number(x))' y='10' width='\(Self.number(step))' height='92'/>\
                \(bar("light", slot.light, x + 1, step - 2, bound))\(bar("dark", slot.dark, x + 1, step - 2, bound))</g>
                """
        }
        return all
    }

    private func bar(_ shade: HTML, _ value: Double?, _ x: Double, _ width: Double, _ bound: Double) -> HTML? {
        guard let value, value > 0 else { return nil }
        // Little is still seen.
        let high = max(1, min(value / bound, 1) * Self.height)
        return """
            <rect class='\(shade)' x='\(Self.number(x))' y='\(Self.number(Self.top + Self.height - high))' width='\(Self.number(width))' \
            height='\(Self.number(high))'/>
            """
    }

    private func tooltip(_ slot: Slot) -> String {
        let hour = "\(slot.startsAt.dropFirst(11).prefix(5)) UTC"
        switch unit {
        case .seconds:
            return "\(hour): median \(slot.dark.map(Moments.duration) ?? "–"), 95 % within \(slot.light.map(Moments.duration) ?? "–")"
        case .jobs: return "\(hour): \(Amounts.count(Int(bounded: slot.light ?? 0), "job")), \(Int(bounded: slot.dark ?? 0)) failed"
        }
    }

    private func summary() -> String {
        switch unit {
        case .seconds:
            guard let median = slots.compactMap(\.dark).max() else { return "Nothing was measured." }
            let rest = slots.compactMap(\.light).max().map { ", 95 % within \(Moments.duration($0))" } ?? ""
            return "In the worst hour: median \(Moments.duration(median))\(rest)."
        case .jobs:
            let (all, failed) = (slots.reduce(0) { $0 + ($1.light ?? 0) }, slots.reduce(0) { $0 + ($1.dark ?? 0) })
            return "\(Amounts.count(Int(bounded: all), "job")), \(Int(bounded: failed)) failed."
        }
    }

    /// A round number that the bars fit under.
    private static func bound(over most: Double, _ unit: Unit) -> Double {
        switch unit {
        case .seconds:
            let steps: [Double] = [1, 2, 4, 10, 20, 40, 60, 120, 240, 600, 1200, 2400, 3600, 7200, 14_400, 28_800, 86_400, 172_800, 345_600, 691_200]
            return steps.first { $0 >= most } ?? (most / 86_400).rounded(.up) * 86_400
        case .jobs:
            // Half of it, on the axis, is a whole number of jobs, too.
            var power = 2.0
            while power * 10 < most { power *= 10 }
            return [1, 2, 4, 6, 8, 10].map { $0 * power }.first { $0 >= most } ?? most
        }
    }

    /// With at most one decimal, without a locale.
    private static func number(_ value: Double) -> String { Amounts.decimal(value) }
}
