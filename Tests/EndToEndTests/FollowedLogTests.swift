import ControlModel
import Foundation
import FakeGitLab
import HTTPTransfer
import Synchronization
import TestBench
import Testing
import Threads

/// A log that is followed, by all kinds of readers: the real daemon as a process, with an engine that only pretends.
@Suite struct FollowedLogTests {
    private struct Rig {
        var engine: EngineDouble
        var gitlab: FakeGitLabServer
        var daemon: DaemonUnderTest
        var runner: String

        /// Ends the daemon with SIGTERM, and after a minute, which it never needs, with SIGKILL.
        /// - Returns: its exit code, or the number of the signal.
        func stopDaemon() async -> Int32? {
            let pid = await daemon.pid
            let alarm = Task {
                try await Task.sleep(for: .seconds(60))
                if let pid { kill(pid, SIGKILL) }
            }
            defer { alarm.cancel() }
            return await daemon.stop()
        }

        func end() async throws {
            await gitlab.stop()
            engine.stop()
            try FileManager.default.removeItem(atPath: daemon.directory)
        }

        var control: BareSocket.Peer { .path("\(daemon.directory)/control.sock") }
        var request: [UInt8] { Array("GET /runners/\(runner)/log?follow=true HTTP/1.1\r\nHost: autogit\r\n\r\n".utf8) }
    }

    /// A daemon with one runner.
    private func rig() async throws -> Rig {
        let directory = "/tmp/autogit-log-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let token = "glpat-log-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["api"], isAdmin: true))
        let engine = try EngineDouble(socket: "\(directory)/engine.sock")
        let daemon = try DaemonUnderTest(
            program: product("autogitd"), directory: directory, gitlab: gitlab.url, token: token, engine: engine.socket,
            settings: """
                [[pool]]
                name = "p"
                tags = ["x"]
                image = "an-image"
                start_timeout = "1h"
                """)
        try await daemon.start()
        #expect(try await daemon.control("POST", "/runners", body: #"{"pool":"p"}"#).status == 202)
        #expect(await engine.seen.wait(for: .called("POST /containers/start")))
        let runner = try #require(try await daemon.runners().first?.id)
        return Rig(engine: engine, gitlab: gitlab, daemon: daemon, runner: runner)
    }

    /// The end of the daemon is the end of the log; the reader sees a whole answer.
    @Test func aFollowedLogDoesNotKeepTheDaemonFromStopping() async throws {
        let rig = try await rig()
        let reading = Task { try await run(product("autogitctl"), ["logs", "-f", rig.runner, "--socket", "\(rig.daemon.directory)/control.sock"]) }
        #expect(await rig.engine.seen.wait(for: .followed))
        #expect(await rig.stopDaemon() == 0, "\(rig.daemon.log)")
        let read = try await reading.value
        #expect(read.code == 0 && read.out == "the first line\n", "\(read)")
        #expect(await rig.engine.seen.wait(for: .left))
        try await rig.end()
    }

    /// The log of a container that never comes is no different.
    @Test func aLogThatDoesNotBeginDoesNotKeepTheDaemonFromStopping() async throws {
        let rig = try await rig()
        rig.engine.hang("GET /containers/logs")
        let reading = Task { try await onThread("a test") { [rig] in BareSocket.exchange(rig.control, rig.request, patience: .seconds(120)) } }
        #expect(await rig.engine.seen.wait(for: .called("GET /containers/logs")))
        #expect(await rig.stopDaemon() == 0, "\(rig.daemon.log)")
        let answer = try #require(try await reading.value)
        #expect(answer.closed && String(decoding: answer.answer, as: UTF8.self).hasPrefix("HTTP/1.1 503 "))
        try await rig.end()
    }

    /// What a reader leaves lying stays with the engine: the daemon takes no more than the sockets and its own small
    /// buffers hold. Nor does such a reader keep it from stopping.
    @Test func aReaderThatNeverReadsMakesNothingGrow() async throws {
        let rig = try await rig()
        let bound = 64 << 20
        rig.engine.setLog(.endless(bound: bound))
        let descriptor = try #require(BareSocket.open(rig.control, sending: rig.request))
        defer { close(descriptor) }
        let isOver: @Sendable ([EngineDouble.Event]) -> Bool = { events in
            events.contains { if case .stalled = $0 { true } else { $0 == .swallowed(bytes: bound) } }
        }
        #expect(await rig.engine.seen.wait(until: isOver))
        var taken: Int?
        for case .stalled(let bytes) in rig.engine.seen.all { taken = bytes }
        // Two Unix sockets of some 200 KiB each, 64 KiB in the client, and NIO's.
        let bytes = try #require(taken, "the daemon swallowed it all")
        #expect(bytes < 4 << 20)
        #expect(await rig.stopDaemon() == 0, "\(rig.daemon.log)")
        try await rig.end()
    }

    /// Not a log, but the same: whatever keeps one service from ending keeps the daemon from ending.
    @Test func anAddressThatIsTakenEndsTheDaemonAndIsToldOnce() async throws {
        let rig = try await rig()
        let second = try DaemonUnderTest(
            program: product("autogitd"), directory: rig.daemon.directory + "/second", gitlab: rig.gitlab.url, token: "glpat-x", engine: rig.engine.socket,
            settings: "[[pool]]\nname = \"p\"\ntags = [\"x\"]\nimage = \"i\"\n")
        let path = "\(second.directory)/autogit.toml"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try text.replacingOccurrences(of: "127.0.0.1:\(second.port)", with: "127.0.0.1:\(rig.daemon.port)").write(
            toFile: path, atomically: true, encoding: .utf8)
        await #expect(throws: DaemonUnderTest.NotRunning.self) { try await second.start() }
        // It ended by itself, and was not given up.
        #expect(await second.pid == nil)
        let told = second.log.components(separatedBy: "cannot listen on 127.0.0.1:\(rig.daemon.port)").count - 1
        #expect(told == 1 && second.log.contains("Address already in use"), "\(second.log)")
        await second.stop(SIGKILL)
        #expect(await rig.stopDaemon() == 0)
        try await rig.end()
    }

    @Test func aReaderThatLeavesEndsTheEnginesStream() async throws {
        let rig = try await rig()
        let descriptor = try #require(BareSocket.open(rig.control, sending: rig.request))
        #expect(await rig.engine.seen.wait(for: .followed))
        #expect(!rig.engine.seen.all.contains(.left))
        close(descriptor)
        #expect(await rig.engine.seen.wait(for: .left))
        #expect(await rig.stopDaemon() == 0)
        try await rig.end()
    }
}
