import ControlModel
import Foundation
import FakeGitLab

/// What the demo shows: a live table on a terminal, lines elsewhere.
struct Screen {
    private let began: ContinuousClock.Instant
    private let isTerminal = isatty(1) == 1
    private var seen: [String: String] = [:]
    private var jobStatus: [Int64: String] = [:]
    private var drawn = 0
    private var phases: [String] = []

    init(began: ContinuousClock.Instant) { self.began = began }

    private var clock: String {
        let seconds = Double((ContinuousClock.now - began).components.seconds) + Double((ContinuousClock.now - began).components.attoseconds) / 1e18
        return String(format: "%6.1fs", seconds)
    }

    mutating func say(_ text: String) {
        erase()
        print("\(clock)  \(text)")
    }

    private mutating func erase() {
        if drawn > 0 { print("\u{1B}[\(drawn)A\u{1B}[J", terminator: "") }
        drawn = 0
    }

    private mutating func phase(_ name: String) {
        guard !phases.contains(name) else { return }
        phases.append(name)
        say("== \(name) phase")
    }

    mutating func show(_ runners: [RunnerView], _ jobs: [FakeJob]) {
        if !runners.isEmpty { phase("spawning") }
        if jobs.contains(where: { $0.status == "running" }) { phase("execution") }
        let over = jobs.allSatisfy(\.isOver)
        if over { phase("cooldown") }
        if over, runners.contains(where: { ["draining", "offline"].contains($0.status) }) || runners.isEmpty { phase("cleanup") }
        for runner in runners where seen[runner.id] != runner.status {
            seen[runner.id] = runner.status
            let more = runner.cooldown_left.map { String(format: ", leaves in %.0f s", $0) } ?? runner.current_job.map { ", job \($0)" } ?? ""
            if !isTerminal { say("\(runner.name)  \(runner.status)\(more)") }
        }
        for id in seen.keys where seen[id] != "gone" && !runners.contains(where: { $0.id == id }) {
            seen[id] = "gone"
            say("autogit-runner-\(id)  gone")
        }
        for job in jobs where jobStatus[job.id] != job.status {
            jobStatus[job.id] = job.status
            if !isTerminal || job.isOver { say("\(job.definition.name)  \(job.status)") }
            if job.status == "failed" { say(String(job.traceText.suffix(2000))) }
        }
        if isTerminal { draw(runners, jobs) }
    }

    private mutating func draw(_ runners: [RunnerView], _ jobs: [FakeJob]) {
        erase()
        func pad(_ text: String, _ width: Int) -> String { text.padding(toLength: width, withPad: " ", startingAt: 0) }
        var lines = ["\(clock)  \(pad("RUNNER", 26))\(pad("STATUS", 14))\(pad("JOB", 20))COOLDOWN"]
        for runner in runners {
            let job = runner.current_job.flatMap { id in jobs.first { $0.id == id }?.definition.name } ?? ""
            let left = runner.cooldown_left.map { String(format: "%.0f s", $0) } ?? ""
            lines.append("         \(pad(runner.name, 26))\(pad(runner.status, 14))\(pad(job, 20))\(left)")
        }
        lines.append("         " + jobs.map { "\($0.definition.name) \($0.status)" }.joined(separator: "  "))
        print(lines.joined(separator: "\n"))
        drawn = lines.count
    }

    mutating func finish() { erase() }

    /// The most of these jobs that ran at one time.
    static func peak(_ jobs: [FakeJob]) -> Int {
        jobs.compactMap(\.startedAt).map { moment in
            jobs.filter { job in
                guard let start = job.startedAt, let end = job.finishedAt else { return false }
                return start <= moment && moment < end
            }.count
        }.max() ?? 0
    }
}
