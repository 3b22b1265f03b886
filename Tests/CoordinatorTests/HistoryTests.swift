import ControlModel
import Testing

@testable import Coordinator
@testable import Fleet

@Suite struct HistoryTests {
    /// 12:20 on some day.
    private let now = Timestamp(iso8601: "2026-11-30T12:20:00.000Z")!

    private func ago(_ minutes: Double, _ more: Double = 0) -> Timestamp { now + .milliseconds(Int64(-minutes * 60_000 + more * 1000)) }

    private func view(_ past: Past) -> HistoryView { HistoryView(past, at: now, shown: ShownTimes()) }

    @Test func thereAre24HoursWhateverHappened() {
        let view = view(Past())
        #expect(view.hours.count == 24)
        #expect(view.hours.first?.starts_at == "2026-11-29T13:00:00.000Z" && view.hours.last?.starts_at == "2026-11-30T12:00:00.000Z")
        #expect(view.hours.allSatisfy { $0 == HistoryView.Hour(starts_at: $0.starts_at) })
        #expect(view.median_wait_last_hour == nil)
    }

    @Test func jobsCountWhereTheyEndAndWaitsWhereTheyRun() {
        let past = Past(
            runs: [
                .init(pendingAt: ago(10), runningAt: ago(10, 4), finishedAt: ago(5), status: .success),
                .init(pendingAt: ago(10), runningAt: ago(10, 2), finishedAt: nil, status: .running),
                .init(pendingAt: ago(10), runningAt: ago(10, 60), finishedAt: ago(1), status: .failed),
                // The hour before: it ran from 11:50, which is within the last hour.
                .init(pendingAt: ago(31), runningAt: ago(30), finishedAt: ago(25), status: .canceled),
                // Began two days ago, and ended an hour and a half ago.
                .init(pendingAt: ago(2900), runningAt: ago(2890), finishedAt: ago(90), status: .failed),
                // Withdrawn without a run.
                .init(pendingAt: ago(9), runningAt: nil, finishedAt: ago(8), status: .canceled),
            ],
            starts: [.init(requestedAt: ago(3), contactedAt: ago(3, 1.5)), .init(requestedAt: ago(3), contactedAt: ago(3, 9))])
        let hours = view(past).hours
        #expect(hours[23].jobs == 3 && hours[23].failed == 1)
        #expect(hours[23].wait_p50 == 4 && hours[23].wait_p95 == 60)
        #expect(hours[23].spawn_p50 == 1.5 && hours[23].spawn_p95 == 9)
        #expect(hours[22].jobs == 1 && hours[22].failed == 0 && hours[22].wait_p50 == 60)
        #expect(hours[21].jobs == 1 && hours[21].failed == 1)
        #expect(hours.map(\.jobs).reduce(0, +) == 5)
        #expect(view(past).median_wait_last_hour == 4)
    }

    @Test func aClockThatWasSetHarmsNobody() {
        let past = Past(
            runs: [
                .init(pendingAt: ago(-600), runningAt: ago(10), finishedAt: ago(-100), status: .success),
                .init(
                    pendingAt: Timestamp(milliseconds: .min), runningAt: Timestamp(milliseconds: .max), finishedAt: Timestamp(milliseconds: .min),
                    status: .failed),
            ], starts: [.init(requestedAt: ago(-5), contactedAt: ago(5))])
        let hours = view(past).hours
        #expect(hours[23].wait_p50 == 0 && hours[23].spawn_p50 == 0)
        #expect(hours.map(\.jobs).reduce(0, +) == 0)
    }

    @Test(arguments: [([Double](), 0.5, nil), ([3], 0.95, 3), ([4, 1, 3, 2], 0.5, 2), ([4, 1, 3, 2], 0.95, 4), ([1, 2, 3], 0, 1)])
    func quantilesAreValuesThatOccurred(values: [Double], share: Double, expected: Double?) { #expect(values.quantile(share) == expected) }
}
