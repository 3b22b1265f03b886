import Fleet
import Foundation
import Systemd
import TestBench
import Testing

@testable import autogitd

@Suite struct RunnerUsersTests {
    @Test(
        arguments: [
            ("/run/user/1000/podman/podman.sock", 1000), ("/run/user/0/docker.sock", 0), ("/run/podman/podman.sock", nil), ("/var/run/docker.sock", nil),
            ("/run/user/1000", nil), ("/run/user/x/docker.sock", nil), ("/srv/run/user/1000/docker.sock", nil), ("", nil),
        ] as [(String, UInt32?)])
    func aSocketUnderRunUserBelongsToThatUser(_ path: String, _ uid: UInt32?) { #expect(RunnerUsers.user(ofSocket: path) == uid) }

    /// 7 lingers, nobody else does, and 9 doesn't exist.
    @Test(
        arguments: [
            ("/run/user/1000/podman/podman.sock", 1000, [.container], ["u1000"]),
            ("/run/user/1000/podman/podman.sock", 1000, [.container, .scope], ["u1000"]),
            ("/run/user/1000/podman/podman.sock", 1001, [.container, .scope], ["u1001", "u1000"]),
            ("/run/user/1000/podman/podman.sock", 1001, [.scope], ["u1001"]),
            ("/run/user/1000/podman/podman.sock", 1001, [], []),
            ("/run/podman/podman.sock", 0, [.container], []),
            ("/run/user/7/docker.sock", 7, [.container, .scope], []),
            ("/run/user/7/docker.sock", 1000, [.container, .scope], ["u1000"]),
            ("/run/user/9/docker.sock", 9, [.container, .scope], []),
        ] as [(String, UInt32, Set<DriverKind>, [String])])
    func whoWouldTakeRunnersAlong(_ socket: String, _ user: UInt32, _ drivers: Set<DriverKind>, _ names: [String]) throws {
        let scratch = try ScratchFolder("linger")
        #expect(FileManager.default.createFile(atPath: "\(scratch.path)/u7", contents: nil))
        let users = RunnerUsers(engineSocket: socket, serviceUser: user) { uid in
            uid == 9 ? nil : Lingering(of: UserRecord(name: "u\(uid)", uid: uid), folder: scratch.path)
        }
        #expect(users.notLingering(for: drivers).map(\.user.name) == names)
    }
}
