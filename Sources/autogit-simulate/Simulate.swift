import Foundation
import Simulation

/// Many seeds, in as many processes as there are processors.
///
/// usage: autogit-simulate --scenarios yes | --warm whole|short [--seeds N] | [--seeds N] [--first N] [--seed N] [--workers N] [--stop-early yes]
@main
struct Simulate {
    static func main() {
        // The order of a dictionary must be the same each time: Swift seeds its hashing by chance, unless told not to.
        if getenv("SWIFT_DETERMINISTIC_HASHING") == nil {
            setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
            var words = CommandLine.arguments.map { strdup($0) } + [nil]
            execv("/proc/self/exe", &words)
        }
        var options: [String: String] = [:]
        var arguments = CommandLine.arguments.dropFirst()
        while let name = arguments.popFirst() { options[name] = arguments.popFirst() ?? "" }
        if let text = options["--seed"], let seed = UInt64(text) {
            exit(one(seed))
        }
        if options["--scenarios"] != nil { exit(scenarios()) }
        if let kind = options["--warm"] { exit(warm(seeds: Int(options["--seeds"] ?? "20") ?? 20, isWhole: kind == "whole")) }
        let first = UInt64(options["--first"] ?? "1") ?? 1
        let count = UInt64(options["--seeds"] ?? "1000") ?? 1000
        if options["--worker"] != nil {
            work(first..<first + count)
        } else {
            exit(
                manage(first, count, Int(options["--workers"] ?? "") ?? ProcessInfo.processInfo.activeProcessorCount, stopEarly: options["--stop-early"] != nil)
            )
        }
    }

    /// What warm runners cost and are worth, learned and by number; the short kind is only what the bar needs.
    private static func warm(seeds: Int, isWhole: Bool) -> Int32 {
        let report = WarmReport(seeds: seeds, shapes: isWhole ? WarmShape.allCases : [.office, .nightly], isWhole: isWhole)
        for line in report.lines { print(line) }
        for complaint in report.complaints { print("missed: \(complaint)") }
        return report.complaints.isEmpty ? 0 : 1
    }

    /// The named scenarios, each with several seeds, and the regressions. The last line counts them.
    private static func scenarios() -> Int32 {
        var passed = 0
        var failed = 0
        func tell(_ name: String, _ complaints: [String]) {
            if complaints.isEmpty { passed += 1 } else { failed += 1 }
            print(complaints.isEmpty ? "ok     \(name)" : "FAILED \(name): \(complaints[0])")
        }
        for scenario in NamedScenario.all {
            var complaints: [String] = []
            for seed in UInt64(1)...20 where complaints.isEmpty {
                let simulation = Simulation(seed: seed, plan: scenario.plan())
                complaints = simulation.run().violations + [scenario.complaint(simulation)].compactMap { $0 }
                if !complaints.isEmpty { complaints[0] += " (seed \(seed))" }
            }
            tell(scenario.name, complaints)
        }
        for (seed, bug) in NamedScenario.regressions {
            tell("seed \(seed): \(bug)", Simulation(seed: seed, plan: Simulation.plan(for: seed)).run().violations)
        }
        let replays = (0..<2).map { _ in Simulation(seed: 42, plan: Simulation.plan(for: 42), keepsStory: true).run().story }
        tell("a seed replays exactly", replays[0] == replays[1] ? [] : ["two runs of seed 42 differ"])
        print("scenarios: \(passed) passed, \(failed) failed")
        return failed == 0 ? 0 : 1
    }

    /// One seed with its story.
    private static func one(_ seed: UInt64) -> Int32 {
        let report = Simulation(seed: seed, plan: Simulation.plan(for: seed), keepsStory: true).run()
        for line in report.story { print(line) }
        for violation in report.violations { print("violation: \(violation)") }
        return report.violations.isEmpty ? 0 : 1
    }

    /// In a process of its own: prints a line for each seed.
    private static func work(_ seeds: Range<UInt64>) {
        for seed in seeds {
            let report = Simulation(seed: seed, plan: Simulation.plan(for: seed)).run()
            let line = Line(
                seed: seed, violation: report.violations.first, faults: report.faults, checks: report.checks,
                seconds: Double(report.simulated.components.seconds), jobs: report.jobs)
            if let data = try? JSONEncoder().encode(line) { FileHandle.standardOutput.write(data + Data("\n".utf8)) }
        }
    }

    private struct Line: Codable {
        var seed: UInt64
        var violation: String?
        var faults: [String: Int]
        var checks: Int
        var seconds: Double
        var jobs: Int
    }

    /// Seeds that one process runs, so that what its dead daemons hold does not pile up.
    private static let batch: UInt64 = 100

    private static func manage(_ first: UInt64, _ count: UInt64, _ workers: Int, stopEarly: Bool) -> Int32 {
        let began = Date()
        let lock = NSLock()
        nonisolated(unsafe) var next = first
        nonisolated(unsafe) var total = Line(seed: 0, violation: nil, faults: [:], checks: 0, seconds: 0, jobs: 0)
        nonisolated(unsafe) var failed: [(seed: UInt64, why: String)] = []
        nonisolated(unsafe) var seen: UInt64 = 0
        let threads = DispatchGroup()
        for _ in 0..<workers {
            DispatchQueue.global().async(group: threads) {
                while true {
                    let start = lock.withLock { () -> UInt64? in
                        guard next < first + count, !stopEarly || failed.isEmpty else { return nil }
                        defer { next += batch }
                        return next
                    }
                    guard let start else { return }
                    let size = min(batch, first + count - start)
                    let process = Process()
                    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
                    process.arguments = ["--worker", "1", "--first", "\(start)", "--seeds", "\(size)"]
                    let pipe = Pipe()
                    process.standardOutput = pipe
                    do { try process.run() } catch { return }
                    let output = pipe.fileHandleForReading.readDataToEndOfFile()
                    process.waitUntilExit()
                    let lines = output.split(separator: UInt8(ascii: "\n")).compactMap { try? JSONDecoder().decode(Line.self, from: $0) }
                    lock.withLock {
                        for line in lines {
                            total.faults.merge(line.faults, uniquingKeysWith: +)
                            total.checks += line.checks
                            total.seconds += line.seconds
                            total.jobs += line.jobs
                            if let why = line.violation { failed.append((line.seed, why)) }
                        }
                        seen += UInt64(lines.count)
                        if lines.count < Int(size) { failed.append((start + UInt64(lines.count), "the process ended with \(process.terminationStatus)")) }
                    }
                }
            }
        }
        threads.wait()
        failed.sort { $0.seed < $1.seed }
        let faults = total.faults.values.reduce(0, +)
        print("simulated \(Int(total.seconds / 3600)) hours with \(total.jobs) jobs in \(seen) seeds, in \(Int(Date().timeIntervalSince(began))) s")
        print("faults injected: \(faults)")
        for (kind, number) in total.faults.sorted(by: { $0.value > $1.value }) { print("  \(number)  \(kind)") }
        print("rule checks made: \(total.checks)")
        for failure in failed.prefix(10) { print("seed \(failure.seed): \(failure.why)   (autogit-simulate --seed \(failure.seed) tells its story)") }
        print("simulate: \(seen - UInt64(failed.count)) passed, \(failed.count) failed")
        return failed.isEmpty ? 0 : 1
    }
}
