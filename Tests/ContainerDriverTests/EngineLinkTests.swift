import Foundation
import HTTPTransfer
import TestBench
import Testing

@testable import ContainerDriver

/// Which of several sockets is used, and when.
@Suite(.timeLimit(.minutes(10))) struct EngineLinkTests {
    @Test func ofSeveralSocketsTheFirstThatAnswersIsTakenOnceOneDoesAndKept() async throws {
        let scratch = try ScratchFolder("choice")
        let sockets = ["a", "b", "c"].map { "\(scratch.path)/\($0)" }
        let found = Happenings<String>()
        let engine = Engine(sockets: sockets, http: HTTPClient()) { found.note($0) }
        // Something listens at the first, and isn't an engine.
        let stranger = try BareServer(path: sockets[0]) { _, connection in _ = connection.answer(404, "not here") }
        defer { stranger.stop() }
        for _ in 0..<2 {
            let error = try #require(await #expect(throws: EngineError.self) { try await engine.containers() })
            #expect(error.isOutage && error.message.hasPrefix("waiting for a container engine"), "\(error)")
            #expect(error.message.contains("\(sockets[0]): the engine answered 404: not here"), "\(error)")
            #expect(error.message.contains("\(sockets[1]): No such file or directory"), "\(error)")
            #expect(error.message.contains("systemctl --user enable --now podman.socket"), "\(error)")
        }
        #expect(found.all.isEmpty && engine.socket == sockets[0])

        let third = try EngineDouble(socket: sockets[2])
        _ = try await engine.containers()
        let second = try EngineDouble(socket: sockets[1])
        defer { second.stop() }
        _ = try await engine.containers()
        #expect(found.all == [sockets[2]] && engine.socket == sockets[2] && second.seen.all.isEmpty)

        // One that was there and is away is waited for: its runners are there, and not with another.
        third.stop()
        let error = try #require(await #expect(throws: EngineError.self) { try await engine.containers() })
        #expect(error.isOutage && error.message.hasPrefix("the engine at \(sockets[2]) does not answer"), "\(error)")
        #expect(second.seen.all.isEmpty)
    }

    @Test func oneThatTheConfigurationNamesIsWaitedForToo() async throws {
        let scratch = try ScratchFolder("choice")
        let engine = Engine(socket: "\(scratch.path)/s", http: HTTPClient())
        let before = try #require(await #expect(throws: EngineError.self) { try await engine.containers() })
        #expect(before.isOutage && before.message.hasPrefix("waiting for a container engine: the engine at \(scratch.path)/s does not answer"), "\(before)")
        let double = try EngineDouble(socket: "\(scratch.path)/s")
        _ = try await engine.containers()
        double.stop()
        let after = try #require(await #expect(throws: EngineError.self) { try await engine.containers() })
        #expect(after.isOutage && after.message.hasPrefix("the engine at"), "\(after)")
    }

    @Test func callsThatLookForAnEngineAtOnceAgreeOnOne() async throws {
        let scratch = try ScratchFolder("choice")
        let sockets = ["a", "b"].map { "\(scratch.path)/\($0)" }
        let found = Happenings<String>()
        let engine = Engine(sockets: sockets, http: HTTPClient()) { found.note($0) }
        let double = try EngineDouble(socket: sockets[1])
        defer { double.stop() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { _ = try await engine.containers() } }
            try await group.waitForAll()
        }
        #expect(found.all == [sockets[1]])
    }
}
