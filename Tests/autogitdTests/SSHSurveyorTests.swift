import Fleet
import HostProbe
import Testing

@testable import autogitd

@Suite struct SSHSurveyorTests {
    private func probe(uid: Int = 1000, lingers: String = "no", controllers: String = "cpu memory") throws -> RemoteProbe {
        let path = "/sys/fs/cgroup/user.slice/user-\(uid).slice/user@\(uid).service/cgroup.controllers"
        let text = """
            autogit-probe 1
            fact machine aarch64
            fact uid \(uid)
            fact user ci
            fact lingers \(lingers)
            file \(uid == 0 ? "/sys/fs/cgroup/cgroup.controllers" : path) \(controllers.utf8.count)
            \(controllers)
            autogit-probe end

            """
        return try RemoteProbe(Array(text.utf8), now: Timestamp(milliseconds: 0))
    }

    private static let socket = "/run/user/1000/podman/podman.sock"

    @Test func aUserWithoutLingeringIsToldWhereTheEngineIsTheUsers() throws {
        func remarks(_ probe: RemoteProbe, _ socket: String?) -> [String] {
            SSHSurveyor.facts(.success(probe), engine: nil, socket: socket, host: "build").remarks
        }
        #expect(
            remarks(try probe(), Self.socket) == [
                "the engine of ci on build ends when that user logs out, and its runners with it. Run there, as ci: loginctl enable-linger"
            ])
        #expect(remarks(try probe(lingers: "yes"), Self.socket) == [])
        #expect(remarks(try probe(), "/var/run/docker.sock") == [])
        #expect(remarks(try probe(), nil) == [])
        #expect(remarks(try probe(uid: 0), "/run/user/0/docker.sock") == [])
    }

    @Test func aMissingControllerIsTold() throws {
        #expect(SSHSurveyor.facts(.success(try probe(controllers: "cpu")), engine: nil, socket: nil, host: "build").remarks == [HostFacts.noMemoryController])
    }

    @Test func theEngineGoesFirstAndAFailedLookIsARemark() throws {
        let engine = HostFacts(architecture: .arm64, cpus: 4, memory: 5)
        let facts = SSHSurveyor.facts(.success(try probe()), engine: engine, socket: nil, host: "build")
        #expect(facts.architecture == .arm64 && facts.cpus == 4 && facts.memory == 5 && facts.cgroupControllers == ["cpu", "memory"])
        let failed = SSHSurveyor.facts(.failure(ProbeRefused()), engine: engine, socket: nil, host: "build")
        #expect(failed.cpus == 4 && failed.remarks == ["emulators and GPUs are not known, because it is off"])
    }

    private struct ProbeRefused: Error, CustomStringConvertible { var description: String { "it is off" } }
}
