/// How many runners of a pool are kept warm at each time of the week, by what came at that time in the last four weeks.
///
/// What a job needs in order to find a warm runner is one for each job that comes with it: a runner that was taken is replaced within seconds, and one
/// whose job ended waits for its cooldown anyway. So for each week the most jobs are counted that came at once around a time, from `back` before it,
/// so that two bursts half an hour apart are one stretch, to `ahead` after it, so that runners are there before their jobs. As many are kept as came in a good
/// third of the weeks, the last counting most: with four weeks known, in two of them.
public struct Forecast: Sendable, Equatable {
    /// Slots of a week.
    static let slots = Int(7 * 86_400 / DemandHistory.step)
    private static let weekLength: Int64 = 7 * 86_400
    static let weeks = 4
    /// Slots, before and after.
    static let back = 3
    static let ahead = 2
    /// How much less a week counts than the one after it.
    static let decay = 0.8
    /// The share of the weeks, by weight, in which as many came.
    static let share = 0.35

    /// By the slot of the week, Monday first: the most jobs at once in each week that is known, the last week first.
    private var seen: [Int: [Int]] = [:]
    /// By the slot of the week.
    private var counts: [Int]
    /// Weeks since the first job, from 0 to 4.
    private let known: Int

    /// - Parameters:
    ///   - history: of the last four weeks.
    ///   - now: by the calendar.
    ///   - zone: whose weeks count, so that summer time moves no working hours.
    public init(_ history: DemandHistory, at now: Timestamp, zone: TimeZoneRules) {
        counts = Array(repeating: 0, count: Self.slots)
        let today = zone.local(now.milliseconds / 1000)
        let age = history.since.map { today - zone.local($0.milliseconds / 1000) } ?? -1
        known = age < 0 ? 0 : min(Self.weeks, Int(age / Self.weekLength) + 1)
        guard known > 0 else { return }
        var seen: [Int: [Int]] = [:]
        for slot in history.slots {
            let local = zone.local(slot.at.milliseconds / 1000)
            let week = Int((today - local) / Self.weekLength)
            guard local <= today, week < known else { continue }
            for step in -Self.ahead...Self.back {
                let index = (Self.slot(local) + step).modulo(Self.slots)
                let most = seen[index]?[week] ?? 0
                if slot.most > most { seen[index, default: Array(repeating: 0, count: known)][week] = slot.most }
            }
        }
        self.seen = seen
        for (index, most) in seen { counts[index] = Self.count(most) }
    }

    /// The most jobs that came at once in enough of the weeks.
    private static func count(_ most: [Int]) -> Int {
        var weight = 1.0
        let weighted = most.map { count in
            defer { weight *= decay }
            return (count: count, weight: weight)
        }
        let enough = weighted.reduce(0) { $0 + $1.weight } * share
        var sum = 0.0
        for (count, weight) in weighted.sorted(by: { $0.count > $1.count }) {
            sum += weight
            if sum >= enough { return count }
        }
        return 0
    }

    /// The slot of the week.
    /// - Parameter local: seconds since 1970-01-01T00:00, a Thursday, by the clock on the wall.
    private static func slot(_ local: Int64) -> Int { Int((local + 3 * 86_400).modulo(weekLength) / DemandHistory.step) }

    /// Runners to keep.
    /// - Parameter local: as `TimeZoneRules.local` gives it.
    func count(at local: Int64) -> Int { counts[Self.slot(local)] }

    /// When another number is to be kept, by the clock on the wall; nil when it is the same all week.
    /// - Parameter most: greater numbers are as good as this.
    func change(after local: Int64, most: Int) -> Int64? {
        let slot = Self.slot(local)
        let begin = local - local.modulo(DemandHistory.step)
        for step in 1...Self.slots where min(counts[(slot + step) % Self.slots], most) != min(counts[slot], most) {
            return begin + Int64(step) * DemandHistory.step
        }
        return nil
    }

    /// Why, for people and without a full stop.
    func reason(at local: Int64) -> String {
        let slot = Self.slot(local)
        let day = ["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"][slot * 7 / Self.slots]
        guard known > 0 else { return "no job of the pool is known from the last four weeks" }
        let past = known == 1 ? "the last week" : "the last \(known) weeks"
        guard let most = seen[slot], let highest = most.max(), highest > 0 else { return "no job came around this time of \(day) in \(past)" }
        let count = max(1, counts[slot])
        let weeks = most.count { $0 >= count }
        let jobs = count == 1 ? "a job came" : "\(count) jobs came at once"
        return "\(jobs) around this time of \(day), \(known == 1 ? "last week" : "in \(weeks) of \(past)")\(counts[slot] == 0 ? ", which is too few" : "")"
    }
}
