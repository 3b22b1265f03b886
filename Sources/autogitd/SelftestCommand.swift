import ArgumentParser
import Fleet
import FoundationEssentials
import GitLab
import Glibc
import HTTPTransfer
import Selftest
import Settings
import UnixSignals

/// `autogitd selftest`, which `autogitctl selftest` runs: it needs the token, which only this program reads.
struct SelftestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "selftest",
        abstract: "Run a real job in a runner of each pool.",
        discussion: """
            Makes a private project autogit-selftest-RANDOM in the namespace of the token's user (for pools of a group, in that group), runs a pipeline \
            with a job for each pool, and removes the project whatever happens, also when it is interrupted. Exits with 0 when every job succeeded \
            on a runner of its pool.
            """)

    /// 128 and the number of SIGINT, as shells have it.
    private static let interrupted = ExitCode(130)

    @Option(help: "The configuration file.")
    var config = "/etc/autogit/autogit.toml"

    @Option(help: "A pool to try, in place of all. May be repeated.")
    var pool: [String] = []

    @Option(help: "Minutes that each job gets, from waiting to its end.")
    var timeout = 10

    @Flag(help: "Print what was found as JSON; progress goes to the standard error.")
    var json = false

    func validate() throws {
        guard (1...1440).contains(timeout) else { throw ValidationError("--timeout is a number of minutes from 1 to 1440.") }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let report = try await report()
        if report.interrupted { throw Self.interrupted }
        if !report.ok { throw ExitCode(1) }
    }

    /// Runs the test, says how far it is, and what came of it.
    func report() async throws -> SelftestReport {
        let settings: Settings
        do {
            settings = try await SettingsFile(path: config).read(asInstalled: true)
        } catch let error as any CustomStringConvertible & Error where error is InvalidSettings || error is NotConfigured {
            FileHandles.standardError("\(error)\n")
            throw Autogitd.badConfiguration
        }
        let report = await Self.uninterrupted(test(settings), options(settings))
        if json { print(try Self.text(report)) } else { Self.summarize(report) }
        return report
    }

    private func test(_ settings: Settings) -> Selftest {
        let http = HTTPClient()
        let gitlab = settings.gitlab
        let isQuiet = json
        return Selftest(
            gitlab: LiveGitLab(.init(url: gitlab.url, token: gitlab.token, projects: gitlab.projects, caFile: gitlab.caFile), http: http),
            daemon: ControlDaemon(socket: settings.controlSocket, http: http), clock: SystemClock(), suffix: Self.suffix()
        ) { line in
            if isQuiet { FileHandles.standardError(line + "\n") } else { Self.show(line) }
        }
    }

    private func options(_ settings: Settings) -> Selftest.Options {
        var options = Selftest.Options(
            pools: settings.pools, chosen: pool, pollInterval: settings.gitlab.pollInterval, projects: settings.gitlab.projects)
        options.timeout = .seconds(60 * timeout)
        return options
    }

    /// The first signal ends the jobs and has the project removed; the second leaves it.
    private static func uninterrupted(_ selftest: Selftest, _ options: Selftest.Options) async -> SelftestReport {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let test = Task { await selftest.run(options) }
        let watch = Task {
            var count = 0
            for await _ in signals {
                count += 1
                test.cancel()
                guard count > 1 else {
                    FileHandles.standardError("interrupted; removing the project (once more to leave it)\n")
                    continue
                }
                FileHandles.standardError("the project stays: remove it in GitLab, by its name \(Selftest.prefix)…\n")
                Glibc.exit(130)
            }
        }
        defer { watch.cancel() }
        return await test.value
    }

    private static func suffix() -> String {
        let alphabet = Array("abcdefghijkmnpqrstuvwxyz23456789")
        return String((0..<8).map { _ in alphabet[Int.random(in: alphabet.indices)] })
    }

    private static func text(_ report: SelftestReport) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(report), as: UTF8.self)
    }

    private static func summarize(_ report: SelftestReport) {
        let good = report.jobs.filter { $0.result == "success" }.count
        let tried = "\(good) of \(report.jobs.count + report.left.count) pool\(report.jobs.count + report.left.count == 1 ? "" : "s")"
        show(report.ok ? "The self-test succeeded: \(tried)." : "The self-test failed: \(tried) worked.")
    }

    /// At once, also into a pipe.
    private static func show(_ line: String) { FileHandles.standardOutput(line + "\n") }
}
