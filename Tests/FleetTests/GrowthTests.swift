import Fleet
import Glibc
import TestBench
import Testing

/// How the time of a plan grows with what there is to plan.
@Suite(.serialized) struct GrowthTests {
    /// The processor's time of this thread, which neighbours don't take; the least of several.
    private static func time(_ jobs: Int, hosts: Int, isFull: Bool) -> Double {
        let (state, now) = CrowdedFleet.state(jobs: jobs, runners: jobs / 10, pools: 20, hosts: hosts, isFull: isFull)
        func clock() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        return (0..<5).map { _ in
            let began = clock()
            _ = Planner.plan(state, at: now)
            return clock() - began
        }
        .min() ?? 0
    }

    /// Four times the jobs and runners take about five times as long by n log n, and sixteen times by n².
    @Test(arguments: [(1, false), (20, false), (20, true)])
    func aPlanGrowsNoWorseThanNLogN(hosts: Int, isFull: Bool) {
        let (few, many) = (Self.time(750, hosts: hosts, isFull: isFull), Self.time(3000, hosts: hosts, isFull: isFull))
        #expect(many / few < 10, "\(few * 1000) ms, then \(many * 1000) ms")
    }
}
