import ArgumentParser
import Foundation
import UnixSignals

@main
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autogit-demo", abstract: "The guide's scenarios: real daemon, real containers, a runner that we did not write, a fake GitLab.")

    @Option(help: "1: seven jobs, two of them in containers of their own. 2: three architectures. 3: a job with a GPU. hosts: three machines over ssh.")
    var scenario = "1"

    @Option(help: "The autogitd to run.")
    var daemon = ".build/debug/autogitd"

    @Option(help: "The autogitctl to show GPUs with.")
    var ctl = ".build/debug/autogitctl"

    @Option(help: "How long an idle runner stays, as in the configuration.")
    var cooldown = "8s"

    @Flag(help: "Kill the daemon with SIGKILL while the build stage runs, and start it again.")
    var kill9 = false

    @Flag(help: "Keep the demo's folder with the daemon's log and database.")
    var keep = false

    @Option(help: "The folder of the scripts that make images.")
    var recipes = "scripts"

    @Option(help: "The pipeline to run; by default the scenario's own in docs/guide.")
    var pipeline: String?

    func validate() throws {
        guard ["1", "2", "3", "hosts"].contains(scenario) else { throw ValidationError("the scenarios are the guide's 1, 2 and 3, and hosts") }
    }

    func run() async throws {
        let work = Task { try await scenario == "hosts" ? HostsRun(self).run() : DemoRun(self).run() }
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let watch = Task {
            for await signal in signals {
                print("\ndemo: \(signal), cleaning up")
                work.cancel()
            }
        }
        defer { watch.cancel() }
        switch await work.result {
        case .success(let passed): if !passed { throw ExitCode(1) }
        // Whatever it was in the middle of: a program that is killed then fails in its own words.
        case .failure where work.isCancelled: throw ExitCode(130)
        case .failure(let error):
            print("demo: failed: \(error)")
            throw ExitCode(1)
        }
    }
}

/// Unbuffered, so that what happens is seen when it happens, in a pipe too.
func print(_ text: String, terminator: String = "\n") {
    FileHandle.standardOutput.write(Data((text + terminator).utf8))
}
