import Fleet
import Glibc

/// How jobs come in a week, of which there are three shapes.
public enum WarmShape: String, CaseIterable, Sendable {
    /// People at work on five days, with peaks before and after noon; pipelines of one or two stages.
    case office
    /// Batches at the same times each night, and a few jobs by day.
    case nightly
    /// Pipelines at any time of any day.
    case irregular
}

/// A job that comes at its time, whatever becomes of the others, and how long it takes.
struct WarmJob {
    var at: Timestamp
    var lasts: Duration
}

/// Weeks of jobs, from a seed.
struct WarmWeeks {
    /// The machine's time zone. Clocks are set at the end of the fourth week, so working hours come an hour later from then on, by UTC.
    static let zone = TimeZoneRules(name: "Europe/Berlin", rule: "CET-1CEST,M3.5.0,M10.5.0/3") ?? .utc
    /// Monday, the 28th of September 2026.
    static let firstDay: Int64 = 20_724
    static let count = 5

    private var random: SplitMix
    private(set) var jobs: [WarmJob] = []

    /// When a week begins; the sixth is the end.
    static func begin(_ week: Int) -> Timestamp { Timestamp(milliseconds: zone.begin((firstDay + Int64(week) * 7) * 86_400) * 1000) }

    init(_ shape: WarmShape, seed: UInt64) {
        random = SplitMix(seed: seed &* 31 &+ UInt64(WarmShape.allCases.firstIndex(of: shape) ?? 0))
        switch shape {
        case .office: office()
        case .nightly: nightly()
        case .irregular: irregular()
        }
        jobs.sort { $0.at < $1.at }
    }

    /// A time by the clock on the wall.
    private func time(_ day: Int, _ seconds: Double) -> Timestamp {
        Timestamp(milliseconds: Self.zone.begin((Self.firstDay + Int64(day)) * 86_400 + Int64(seconds)) * 1000)
    }

    private mutating func between(_ low: Double, _ high: Double) -> Double { low + random.unit() * (high - low) }

    /// The time to the next of what comes so often an hour, in seconds.
    private mutating func gap(_ perHour: Double) -> Double { -log(1 - random.unit()) / perHour * 3600 }

    /// Some jobs at once, and perhaps others when the longest of them is over.
    private mutating func pipeline(_ day: Int, _ seconds: Double, jobs most: Int, stages: Int, minutes: (Double, Double)) {
        var at = seconds
        for _ in 0..<1 + random.below(stages) {
            var longest = 0.0
            for _ in 0..<1 + random.below(most) {
                let lasts = between(minutes.0, minutes.1) * 60
                longest = max(longest, lasts)
                jobs.append(WarmJob(at: time(day, at + between(0, 2)), lasts: .milliseconds(Int64(lasts * 1000))))
            }
            at += longest + 15
        }
    }

    private mutating func office() {
        // Pipelines an hour, from midnight.
        let day: [Double] = [0, 0, 0, 0, 0, 0, 0, 0, 0.5, 4, 8, 8, 3, 6, 8, 7, 5, 1, 0.3, 0.1, 0, 0, 0, 0]
        let size = between(0.5, 1.5)
        for number in 0..<Self.count * 7 where number % 7 < 5 {
            let mood = size * between(0.7, 1.3)
            for (hour, often) in day.enumerated() where often > 0 {
                var at = gap(often * mood)
                while at < 3600 {
                    pipeline(number, Double(hour) * 3600 + at, jobs: 4, stages: 2, minutes: (0.5, 6))
                    at += gap(often * mood)
                }
            }
        }
    }

    private mutating func nightly() {
        let batches = (0..<1 + random.below(3)).map { _ in
            (hour: (22 + random.below(8)) % 24, minute: random.below(60), size: 4 + random.below(9), weekdaysOnly: random.chance(0.3))
        }
        for day in 0..<Self.count * 7 {
            for batch in batches where !batch.weekdaysOnly || day % 7 < 5 {
                // GitLab looks for schedules every few minutes, and not to the second.
                let begin = Double(batch.hour) * 3600 + Double(batch.minute) * 60 + between(0, 180)
                let size = max(1, batch.size + random.below(3) - 1)
                for _ in 0..<size {
                    jobs.append(WarmJob(at: time(day, begin + between(0, 5)), lasts: random.between(180_000, 1_200_000)))
                }
            }
            for _ in 0..<random.below(3) { pipeline(day, between(9, 18) * 3600, jobs: 2, stages: 1, minutes: (1, 5)) }
        }
    }

    private mutating func irregular() {
        let often = between(6, 12) / 24
        for day in 0..<Self.count * 7 {
            var at = gap(often)
            while at < 86_400 {
                pipeline(day, at, jobs: 3, stages: 2, minutes: (1, 10))
                at += gap(often)
            }
        }
    }
}
