import ControlModel
import Fleet

/// Looking back.
extension Coordinator {
    /// The answer of `GET /history`.
    /// - Throws: when the store can't be read.
    public func historyView() async throws -> HistoryView {
        let now = clock.now()
        // Many may look twice a second, and it changes slowly.
        if let last = lastHistory, now >= last.at, now - last.at < .seconds(5) { return last.view }
        let past = try await store.past(since: HistoryView.begin(now), failures: 10)
        let view = HistoryView(past, at: now, shown: shown.shownTimes)
        lastHistory = (now, view)
        return view
    }
}

extension HistoryView {
    static let hourCount = 24
    private static let hour: Int64 = 3_600_000

    /// The beginning of the first hour that is shown.
    static func begin(_ now: Timestamp) -> Timestamp {
        Timestamp(milliseconds: (now.milliseconds / hour - Int64(hourCount) + 1) * hour)
    }

    init(_ past: Past, at now: Timestamp, shown times: ShownTimes) {
        let begin = Self.begin(now)
        var hours = (0..<Self.hourCount).map { Hour(starts_at: times.text(begin + .seconds(3600 * $0))) }
        var waits: [[Double]] = Array(repeating: [], count: Self.hourCount)
        var spawns = waits
        func index(_ time: Timestamp) -> Int? {
            let index = Int((time - begin).milliseconds / Self.hour)
            return time >= begin && hours.indices.contains(index) ? index : nil
        }
        var lastHour: [Double] = []
        for run in past.runs {
            if let ended = run.finishedAt, let index = index(ended), run.status.isOver {
                hours[index].jobs += 1
                if run.status == .failed { hours[index].failed += 1 }
            }
            guard let from = run.pendingAt, let to = run.runningAt, let index = index(to) else { continue }
            let wait = max(0, (to - from).inSeconds)
            waits[index].append(wait)
            if to > now + .seconds(-3600) { lastHour.append(wait) }
        }
        for start in past.starts {
            if let index = index(start.contactedAt) { spawns[index].append(max(0, (start.contactedAt - start.requestedAt).inSeconds)) }
        }
        for index in hours.indices {
            hours[index].wait_p50 = waits[index].quantile(0.5)
            hours[index].wait_p95 = waits[index].quantile(0.95)
            hours[index].spawn_p50 = spawns[index].quantile(0.5)
            hours[index].spawn_p95 = spawns[index].quantile(0.95)
        }
        self.init(
            hours: hours, median_wait_last_hour: lastHour.quantile(0.5),
            failures: past.failures.map {
                Failure(at: times.text($0.removedAt ?? $0.lastSeen), runner: $0.id, pool: $0.pool, reason: $0.reason ?? "no reason is known")
            })
    }
}

extension [Double] {
    /// The value that this share of the others does not exceed (nearest rank); nil without any.
    func quantile(_ share: Double) -> Double? {
        isEmpty ? nil : sorted()[Swift.max(0, Int((Double(count) * share).rounded(.up)) - 1)]
    }
}
