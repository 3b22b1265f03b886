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
        let before = forward.state
        var engine: Result<HostFacts, EngineError>?
        if usesEngine {
            do { engine = .success(try await self.engine.facts()) } catch let error as EngineError {
                // Where nothing tells of the host, what was known stays. While ssh is on its way nothing is wrong, and another look follows.
                if case .failure = found { throw error }
                if case .opening = before { throw error }
                engine = .failure(error)
            }
        }
        let socket: String? = if case .open(let path, _) = forward.state { path } else { forward.address.path }
        return Self.facts(found, engine: engine, socket: socket, host: forward.address.host)
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
    ///   - engine: nil where none is needed.
    ///   - socket: the path of the engine's socket there; nil where it isn't known.
    ///   - host: its name.
    static func facts(
        _ found: Result<RemoteProbe, any Error>, engine: Result<HostFacts, EngineError>?, socket: String?, host: String
    ) -> HostFacts {
        var facts = HostFacts(found.map(\.host), engine: try? engine?.get())
        if case .failure(let error) = engine { facts.engineTrouble = "\(error)" }
        if facts.lacksMemoryController { facts.remarks.append(HostFacts.noMemoryController) }
        if case .success(let probe) = found, let socket {
            facts.remarks += remarks(probe, socket: socket, host: host, isSilent: facts.engineTrouble != nil)
        }
        return facts
    }

    /// What keeps an engine that is a user's from running, or will: it is started by that user's systemd, and ends with it.
    private static func remarks(_ probe: RemoteProbe, socket: String, host: String, isSilent: Bool) -> [String] {
        let user = probe.user
        guard probe.uid != 0, socket.hasPrefix("/run/user/") else { return [] }
        var remarks: [String] = []
        if socket == "/run/user/\(probe.uid)/podman/podman.sock" {
            let next = "Run there, as \(user): systemctl --user enable --now podman.socket"
            if isSilent, !probe.podmanListens {
                remarks.append("nobody listens at \(socket) on \(host). \(next)")
            } else if probe.isPodmanEnabled == false {
                remarks.append("podman.socket of \(user) on \(host) is not enabled, so there is no engine after a restart. \(next)")
            }
        }
        if !probe.lingers {
            remarks.append(
                "the engine of \(user) on \(host) ends when that user logs out, and its runners with it. Run there, as root: loginctl enable-linger \(user)")
        }
        return remarks
    }
}
