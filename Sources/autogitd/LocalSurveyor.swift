import ContainerDriver
import Fleet
import HostProbe
import Threads

/// What this machine is: what root's probe wrote, and what the engine says of the machine that it runs on.
struct LocalSurveyor: HostSurveyor {
    let engine: Engine
    /// The file that `autogitd --probe-host` writes.
    let file: String
    /// Where a look is asked for.
    var request = ProbeRequest.usualPath
    /// How long to wait for the answer; the file that is there has to do then.
    var patience = Duration.seconds(10)

    func survey(usesEngine: Bool) async throws -> HostFacts {
        let before = try await read().map(\.time)
        // Without the package's units nobody answers, and the file is as it was made.
        if (try? ProbeRequest.send(request)) != nil {
            let deadline = ContinuousClock.now + patience
            while ContinuousClock.now < deadline, try await read().map(\.time) == before { try await Task.sleep(for: .milliseconds(100)) }
        }
        var facts = HostFacts(try await read().mapError { $0 }, engine: usesEngine ? try await engine.facts() : nil)
        if facts.lacksMemoryController { facts.remarks.append(HostFacts.noMemoryController) }
        return facts
    }

    private func read() async throws -> Result<ProbedHost, ProbeFileError> {
        try await onThread("reading what the host is") { [file] in
            do { return .success(try ProbedHost.read(path: file)) } catch let error as ProbeFileError { return .failure(error) }
        }
    }
}
