import ContainerDriver
import Fleet
import HostProbe
import Testing

@testable import autogitd

@Suite struct SSHSurveyorTests {
    /// - Parameter more: facts of the user's Podman.
    private func probe(uid: Int = 1000, lingers: String = "no", controllers: String = "cpu memory", more: [String] = []) throws -> RemoteProbe {
        let path = "/sys/fs/cgroup/user.slice/user-\(uid).slice/user@\(uid).service/cgroup.controllers"
        let head = ["autogit-probe 1", "fact machine aarch64", "fact uid \(uid)", "fact user ci", "fact lingers \(lingers)"]
        let file = "file \(uid == 0 ? "/sys/fs/cgroup/cgroup.controllers" : path) \(controllers.utf8.count)"
        let lines: [String] = head + more.map { "fact \($0)" } + [file, controllers, "autogit-probe end", ""]
        return try RemoteProbe(Array(lines.joined(separator: "\n").utf8), now: Timestamp(milliseconds: 0))
    }

    private func facts(
        _ probe: RemoteProbe, engine: Result<HostFacts, EngineError>? = .success(HostFacts(architecture: .arm64)), socket: String? = Self.socket
    ) -> HostFacts { SSHSurveyor.facts(.success(probe), engine: engine, socket: socket, host: "build") }

    private static let socket = "/run/user/1000/podman/podman.sock"
    private static let silent = Result<HostFacts, EngineError>.failure(EngineError(message: "it hangs"))
    private static let logout =
        "the engine of ci on build ends when that user logs out, and its runners with it. Run there, as root: loginctl enable-linger ci"
    private static let enable = "Run there, as ci: systemctl --user enable --now podman.socket"

    @Test func aUserWithoutLingeringIsToldWhereTheEngineIsTheUsers() throws {
        #expect(facts(try probe()).remarks == [Self.logout])
        #expect(facts(try probe(lingers: "yes")).remarks == [])
        #expect(facts(try probe(), socket: "/var/run/docker.sock").remarks == [])
        #expect(facts(try probe(), socket: nil).remarks == [])
        #expect(facts(try probe(uid: 0), socket: "/run/user/0/docker.sock").remarks == [])
    }

    /// The cause is told just when it has taken effect.
    @Test func anEngineThatDoesNotAnswerLeavesWhatTheMachineTells() throws {
        let facts = facts(try probe(more: ["podman no", "podman-enabled no"]), engine: Self.silent)
        #expect(facts.engine == nil && facts.engineTrouble == "it hangs")
        #expect(facts.architecture == .arm64 && facts.cgroupControllers == ["cpu", "memory"])
        #expect(facts.remarks == ["nobody listens at \(Self.socket) on build. \(Self.enable)", Self.logout])
    }

    @Test func onlyWhatCanBeTheCauseIsToldOfAnEngineThatDoesNotAnswer() throws {
        let well = try probe(lingers: "yes", more: ["podman yes", "podman-enabled yes"])
        #expect(facts(well, engine: Self.silent).remarks == [])
        let silent = try probe(lingers: "yes", more: ["podman no", "podman-enabled yes"])
        #expect(facts(silent, engine: Self.silent, socket: "/run/user/1000/docker.sock").remarks == [])
        #expect(facts(silent, engine: Self.silent, socket: nil).remarks == [])
        // It was opened after the look.
        #expect(facts(silent).remarks == [])
    }

    @Test func aSocketThatIsGoneAfterARestartIsTold() throws {
        let words = "podman.socket of ci on build is not enabled, so there is no engine after a restart. \(Self.enable)"
        #expect(facts(try probe(lingers: "yes", more: ["podman yes", "podman-enabled no"])).remarks == [words])
        #expect(facts(try probe(lingers: "yes", more: ["podman yes", "podman-enabled unknown"])).remarks == [])
    }

    @Test func aMissingControllerIsTold() throws {
        #expect(facts(try probe(controllers: "cpu"), engine: nil, socket: nil).remarks == [HostFacts.noMemoryController])
    }

    @Test func theEngineGoesFirstAndAFailedLookIsARemark() throws {
        let engine = HostFacts(architecture: .arm64, cpus: 4, memory: 5)
        let facts = facts(try probe(), engine: .success(engine), socket: nil)
        #expect(facts.architecture == .arm64 && facts.cpus == 4 && facts.memory == 5 && facts.cgroupControllers == ["cpu", "memory"])
        let failed = SSHSurveyor.facts(.failure(ProbeRefused()), engine: .success(engine), socket: nil, host: "build")
        #expect(failed.cpus == 4 && failed.remarks == ["emulators and GPUs are not known, because it is off"])
    }

    private struct ProbeRefused: Error, CustomStringConvertible { var description: String { "it is off" } }
}
