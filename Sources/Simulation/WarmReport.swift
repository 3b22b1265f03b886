import Fleet

/// What `warm = "auto"` is worth: it learns from four generated weeks, and the fifth is replayed with it, without any warm runners, and with fixed
/// numbers of them.
public struct WarmReport: Sendable {
    /// For people.
    public private(set) var lines: [String] = []
    /// Where the bar is missed: the median of `office` and of `nightly` has at least 80 % of the jobs find a warm runner, at no more than half the
    /// runner-minutes of the smallest fixed number that does the same.
    public private(set) var complaints: [String] = []

    /// Fixed numbers that are shown.
    private static let shown = [1, 2, 3, 4, 6, 8, 12, 16]

    /// One seed of one shape.
    private struct Trial {
        var auto: WarmRun.Outcome
        var none: WarmRun.Outcome
        /// By their number.
        var fixed: [Int: WarmRun.Outcome]
        /// The smallest that lets as many jobs find a warm runner; the greatest where none does.
        var equal: Int

        var ratio: Double { auto.runnerMinutes / max(1, fixed[equal]?.runnerMinutes ?? 1) }
    }

    /// - Parameters:
    ///   - seeds: from 1 on.
    ///   - isWhole: also those fixed numbers that the comparison does not need.
    public init(seeds: Int, shapes: [WarmShape] = WarmShape.allCases, isWhole: Bool = true) {
        for shape in shapes {
            let trials = (1...UInt64(max(1, seeds))).map { Self.trial(shape, seed: $0, isWhole: isWhole) }
            tell(shape, trials)
        }
    }

    private static func trial(_ shape: WarmShape, seed: UInt64, isWhole: Bool) -> Trial {
        let weeks = WarmWeeks(shape, seed: seed)
        let auto = WarmRun.replay(weeks, seed: seed, warm: .auto)
        let none = WarmRun.replay(weeks, seed: seed, warm: .fixed(0))
        var fixed: [Int: WarmRun.Outcome] = [:]
        var equal = 1
        while true {
            let outcome = WarmRun.replay(weeks, seed: seed, warm: .fixed(equal))
            fixed[equal] = outcome
            if outcome.share >= auto.share || equal == WarmRun.maxRunners { break }
            equal += 1
        }
        if isWhole { for count in shown where fixed[count] == nil { fixed[count] = WarmRun.replay(weeks, seed: seed, warm: .fixed(count)) } }
        return Trial(auto: auto, none: none, fixed: fixed, equal: equal)
    }

    private mutating func tell(_ shape: WarmShape, _ trials: [Trial]) {
        let jobs = trials.map { Double($0.auto.jobs) }.sorted()
        lines.append("\(shape.rawValue): \(trials.count) seeds, \(Int(jobs.first ?? 0)) to \(Int(jobs.last ?? 0)) jobs in the week")
        lines.append("  warm       found warm      runner-minutes   of them busy   started   (medians; worst share)")
        row("auto", trials.map(\.auto))
        row("none", trials.map(\.none))
        for count in Self.shown where trials.allSatisfy({ $0.fixed[count] != nil }) { row("\(count)", trials.compactMap { $0.fixed[count] }) }
        let shares = trials.map(\.auto.share)
        let ratios = trials.map(\.ratio)
        let equal = trials.map { Double($0.equal) }
        lines.append(
            "  auto: \(Self.percent(median(shares))) of the jobs found a warm runner (worst \(Self.percent(shares.min() ?? 0))), at "
                + "\(Self.percent(median(ratios))) of the runner-minutes of the fixed number that does the same, which is \(Int(median(equal))) "
                + "(worst \(Self.percent(ratios.max() ?? 0)))")
        guard shape != .irregular else { return }
        if median(shares) < 0.8 { complaints.append("\(shape.rawValue): only \(Self.percent(median(shares))) of the jobs found a warm runner") }
        if median(ratios) > 0.5 { complaints.append("\(shape.rawValue): \(Self.percent(median(ratios))) of the runner-minutes of a fixed number") }
    }

    private mutating func row(_ name: String, _ outcomes: [WarmRun.Outcome]) {
        func pad(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
        let share = "\(Self.percent(median(outcomes.map(\.share)))) (\(Self.percent(outcomes.map(\.share).min() ?? 0)))"
        lines.append(
            "  \(name)" + String(repeating: " ", count: 6 - name.count) + pad(share, 18) + pad("\(Int(median(outcomes.map(\.runnerMinutes))))", 18)
                + pad("\(Int(median(outcomes.map(\.busyMinutes))))", 15) + pad("\(Int(median(outcomes.map { Double($0.starts) })))", 10))
    }

    private static func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }
}

/// The lower of the two in the middle, where there are two.
private func median(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.sorted()[(values.count - 1) / 2] }
