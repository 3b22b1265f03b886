import Fleet
import Foundation
import Glibc
import TestBench
import Testing

@testable import SSHForward

/// With a real sshd.
@Suite(.enabled(if: SSHServer.isWanted, "openssh-server isn't installed: see scripts/bootstrap")) struct SSHForwardTests {
    /// A forward to a test's server, and what it told.
    private struct Bed {
        let server: SSHServer
        let clock = StepClock()
        let told = Happenings<SSHForwardEvent>()
        let forward: SSHForward
        var remote: String { "\(server.path)/engine.sock" }

        init(path: String? = nil, prepare: (SSHServer) throws -> Void = { _ in }) async throws {
            server = try await SSHServer()
            try prepare(server)
            let told = told
            forward = try SSHForward(
                SSHAddress("ssh://\(try #require(Bed.user))@127.0.0.1:\(server.port)\(path ?? "\(server.path)/engine.sock")"),
                socket: "\(server.path)/local.sock",
                identity: server.identity, knownHosts: [server.knownHosts], environment: ProcessInfo.processInfo.environment, clock: clock, jitter: { 1 }
            ) { told.note($0) }
        }

        private static var user: String? { getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } }

        /// Runs it as long as the body does.
        func run(_ body: () async throws -> Void) async throws {
            let running = Task { [forward] in await forward.run() }
            do { try await body() } catch {
                running.cancel()
                await running.value
                throw error
            }
            running.cancel()
            await running.value
            #expect(forward.pid == nil)
            #expect(access(forward.socket, F_OK) != 0)
        }

        func opened(_ count: Int = 1) async -> Bool { await told.wait { $0.filter { if case .opened = $0 { true } else { false } }.count >= count } }

        /// The reason why it closed first.
        func closed() async -> String {
            @Sendable func reasons(_ events: [SSHForwardEvent]) -> [String] { events.compactMap { if case .closed(let reason) = $0 { reason } else { nil } } }
            _ = await told.wait { !reasons($0).isEmpty }
            return reasons(told.all).first ?? "it didn't close"
        }

        func ask() async -> String {
            let socket = forward.socket
            return await Task.detached {
                BareSocket.exchange(.path(socket), Array("GET /x HTTP/1.1\r\n\r\n".utf8)).map { String(decoding: $0.answer, as: UTF8.self) } ?? ""
            }.value
        }

        func engine(_ path: String) throws -> BareServer {
            try BareServer(path: path) { request, connection in
                connection.answer(200, "\(request.target) ok")
                connection.end()
            }
        }
    }

    @Test func dataPassesAndACancelledOneIsGone() async throws {
        let bed = try await Bed()
        let engine = try bed.engine(bed.remote)
        defer { engine.stop() }
        // What a killed daemon left.
        try BareServer(path: bed.forward.socket) { _, _ in }.stop()
        var pid: Int32?
        try await bed.run {
            #expect(await bed.opened())
            #expect(bed.forward.state == .open(remoteSocket: bed.remote, since: bed.clock.now()))
            #expect(await bed.ask().hasSuffix("/x ok"))
            pid = bed.forward.pid
            var status = stat()
            #expect(lstat(bed.forward.socket, &status) == 0 && status.st_mode & 0o777 == 0o600)
            let number = try #require(pid)
            #expect(kill(number, 0) == 0)
        }
        // It was waited for, so its number is nobody's.
        let number = try #require(pid)
        #expect(kill(number, 0) != 0 && errno == ESRCH)
        #expect(bed.told.all.allSatisfy { if case .closed = $0 { false } else { true } })
    }

    @Test func oneWhoseServerDiesIsOpenedAgain() async throws {
        let bed = try await Bed()
        let engine = try bed.engine(bed.remote)
        defer { engine.stop() }
        try await bed.run {
            #expect(await bed.opened())
            await bed.server.kill()
            let reason = await bed.closed()
            #expect(!reason.isEmpty && reason.count <= 800)
            // The wait that a first failure has.
            #expect(await bed.clock.waits.wait(for: .seconds(1)))
            #expect(bed.forward.state == .closed(reason: reason, until: bed.clock.now() + .seconds(1)))
            let isBack = try await bed.server.start()
            #expect(isBack)
            bed.clock.advance(by: .seconds(1))
            #expect(await bed.opened(2))
            #expect(await bed.ask().hasSuffix("/x ok"))
        }
    }

    @Test func failuresInARowWaitLonger() async throws {
        let bed = try await Bed { try $0.trust(nil) }
        try await bed.run {
            for seconds in [1, 2, 4, 8, 16, 32, 60] {
                #expect(await bed.clock.waits.wait(for: .seconds(seconds)))
                bed.clock.advance(by: .seconds(seconds))
            }
        }
    }

    /// A host that was called may be there at any moment, and the next try is not minutes away.
    @Test func aHostThatIsExpectedIsTriedEveryFewSeconds() async throws {
        let bed = try await Bed { try $0.trust(nil) }
        try await bed.run {
            for seconds in [1, 2, 4, 8] {
                #expect(await bed.clock.waits.wait(for: .seconds(seconds)))
                bed.clock.advance(by: .seconds(seconds))
            }
            #expect(await bed.clock.waits.wait(for: .seconds(16)))
            bed.forward.hurry(for: .seconds(5))
            for count in 1...2 {
                #expect(await bed.clock.waits.wait { $0.filter { $0 == .seconds(3) }.count == count })
                bed.clock.advance(by: .seconds(3))
            }
            // Once the time is over, what is left of the wait before.
            #expect(await bed.clock.waits.wait(for: .seconds(10)))
        }
    }

    @Test func oneThatWasOpenForAMinuteStartsAfresh() async throws {
        let bed = try await Bed()
        try await bed.run {
            #expect(await bed.opened())
            for round in 2...3 {
                bed.clock.advance(by: .seconds(60))
                kill(try #require(bed.forward.pid), SIGKILL)
                #expect(await bed.clock.waits.wait { $0.filter { $0 == .seconds(1) }.count == round - 1 })
                bed.clock.advance(by: .seconds(1))
                #expect(await bed.opened(round))
            }
        }
    }

    @Test(arguments: [
        ("host key that is not known", "is not known, so AutoGit"), ("other host key", "is another one than in"), ("key that may not", "refused the login as"),
    ])
    func refusalsAreTold(_ what: String, _ words: String) async throws {
        let bed = try await Bed { server in
            switch what {
            case "other host key": try server.trust("id")
            case "key that may not": try server.authorize(key: "host")
            default: try server.trust(nil)
            }
        }
        try await bed.run {
            let reason = await bed.closed()
            #expect(reason.contains(words))
        }
        let error = await #expect(throws: SSHError.self) { try await bed.forward.output(of: "true", limit: 1, timeout: .seconds(60)) }
        #expect(error?.message.contains(words) == true)
    }

    @Test func aServerThatIsOffIsTold() async throws {
        let bed = try await Bed()
        await bed.server.kill()
        try await bed.run { #expect(await bed.closed().contains("refused the connection")) }
    }

    @Test func aMissingEngineIsToldAndTheForwardStays() async throws {
        let bed = try await Bed()
        try await bed.run {
            #expect(await bed.opened())
            #expect(await bed.told.wait { $0.contains { if case .refused(let reason) = $0 { reason.contains("has nobody at") } else { false } } })
            #expect(bed.forward.refusal?.contains("has nobody at \(bed.remote)") == true)
            let engine = try bed.engine(bed.remote)
            defer { engine.stop() }
            #expect(await bed.ask().hasSuffix("/x ok"))
            // ssh does not tell that it works again.
            bed.clock.advance(by: .seconds(60))
            #expect(bed.forward.refusal == nil)
        }
    }

    /// The search with another root, because the machine may have engines of its own.
    private static func search(in root: String) -> String { "sed 's,/run/,\(root)/run/,g' | sh -s" }

    @Test func anEngineIsFound() async throws {
        let bed = try await Bed(path: "") { try $0.authorize(command: Self.search(in: $0.path)) }
        let folder = "\(bed.server.path)/run/user/\(getuid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let engine = try bed.engine("\(folder)/docker.sock")
        defer { engine.stop() }
        try await bed.run {
            #expect(await bed.opened())
            #expect(bed.forward.state == .open(remoteSocket: "\(folder)/docker.sock", since: bed.clock.now()))
            #expect(await bed.ask().hasSuffix("/x ok"))
        }
    }

    @Test func aHostWithoutAnEngineIsTold() async throws {
        let bed = try await Bed(path: "") { try $0.authorize(command: Self.search(in: $0.path)) }
        try await bed.run {
            let reason = await bed.closed()
            #expect(reason.contains("has no socket of an engine"))
            #expect(reason.contains("systemctl --user enable --now podman.socket; and as root: loginctl enable-linger "))
        }
    }

    @Test func commandsRunThere() async throws {
        let bed = try await Bed()
        func output(_ command: String, input: String = "", limit: Int = 100) async throws -> String {
            String(decoding: try await bed.forward.output(of: command, input: Array(input.utf8), limit: limit, timeout: .seconds(60)), as: UTF8.self)
        }
        #expect(try await output("echo a b") == "a b\n")
        #expect(try await output("sh -s", input: "echo $((1 + 2))\nexit 0\n" + String(repeating: "#\n", count: 100_000)) == "3\n")
        let failed = await #expect(throws: SSHError.self) { try await output("echo no good >&2; exit 3") }
        #expect(failed?.message == "no good")
        let long = await #expect(throws: SSHError.self) { try await output("cat /dev/zero") }
        #expect(long?.message == "a command on 127.0.0.1 wrote more than 100 bytes, and was ended")
    }
}
