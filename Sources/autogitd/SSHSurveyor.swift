import ContainerDriver
import Fleet
import HostProbe
import SSHForward
import Threads

/// What another machine is: what a script finds there, and what the engine says of the machine that it runs on.
struct SSHSurveyor: HostSurveyor {
    let engine: Engine
    let forward: SSHForward
    let clock: any WallClock
    /// For the login and the script.
    var patience = Duration.seconds(60)

    func survey(usesEngine: Bool) async throws -> HostFacts {
        let found = try await probe()
        let told = usesEngine ? try await engine.facts() : nil
        guard case .open(let socket, _) = forward.state else { return Self.facts(found, engine: told, socket: nil, host: forward.address.host) }
        return Self.facts(found, engine: told, socket: socket, host: forward.address.host)
    }

    /// - Throws: `CancellationError`
    private func probe() async throws -> Result<RemoteProbe, any Error> {
        do {
            let output = try await forward.output(of: "sh -s", input: Array(RemoteProbe.script.utf8), limit: RemoteProbe.longestOutput, timeout: patience)
            let now = clock.now()
            return .success(
                try await onThread("reading what a host is", stackSize: ProbedHost.stackSize) { try RemoteProbe(output, now: now) })
        } catch let error as CancellationError {
            throw error
        } catch {
            return .failure(error)
        }
    }

    /// - Parameters:
    ///   - socket: the path of the engine's socket there; nil where it isn't known.
    ///   - host: its name.
    static func facts(_ found: Result<RemoteProbe, any Error>, engine: HostFacts?, socket: String?, host: String) -> HostFacts {
        var facts = HostFacts(found.map(\.host), engine: engine)
        if facts.lacksMemoryController { facts.remarks.append(HostFacts.noMemoryController) }
        if case .success(let probe) = found, !probe.lingers, probe.uid != 0, socket?.hasPrefix("/run/user/") == true {
            facts.remarks.append(
                "the engine of \(probe.user) on \(host) ends when that user logs out, and its runners with it. Run there, as \(probe.user): "
                    + "loginctl enable-linger")
        }
        return facts
    }
}
