import FakeGitLab
import Foundation
import Testing
import Threads

/// What runs beside the tests neither outlives them nor ends before its time.
@Suite(.timeLimit(.minutes(10))) struct ChildTests {
    /// Would die early if it hung on a thread that other programs bring and take with them.
    @Test func aChildOutlivesOtherProgramsAndTellsItsEnd() async throws {
        try await Rig.inFolder { folder in
            let gate = "\(folder)/gate"
            #expect(mkfifo(gate, 0o600) == 0)
            let child = try await Child.start("/bin/sh", ["-c", "echo one; read line <'\(gate)'; echo $line; exit 7"], log: "\(folder)/log")
            let pid = try #require(child.pid)
            #expect(child.name == "sh" && child.isRunning && getpgid(pid) == pid)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 {
                    group.addTask { try await Command.run("true", []) }
                    group.addTask {
                        let other = try await Child.start("sleep", ["600"], log: "/dev/null")
                        #expect(await other.stop() == SIGTERM)
                    }
                }
                try await group.waitForAll()
            }
            // Open for reading, too, so that neither waits for the other.
            let way = open(gate, O_RDWR)
            defer { close(way) }
            #expect(write(way, "two\n", 4) == 4)
            #expect(await child.exit() == 7)
            #expect(!child.isRunning && child.pid == nil)
            #expect(try await Child.start("/bin/sh", ["-c", "echo $WORD"], environment: ["WORD": "three"], log: "\(folder)/log").exit() == 0)
            #expect(try String(contentsOfFile: "\(folder)/log", encoding: .utf8) == "one\ntwo\nthree\n")
        }
    }

    /// The child's output is a pipe whose other end is here: it closes when the child is gone.
    @Test func aChildDiesWithItsParent() async throws {
        let pipe = Self.pipe(of: getpid())
        #expect(mkfifo(pipe, 0o600) == 0)
        defer { unlink(pipe) }
        let output = open(pipe, O_RDONLY | O_NONBLOCK)
        defer { close(output) }
        async let end: Void = {
            await #expect(processExitsWith: .signal(SIGKILL)) {
                // It says who its parent is only once it runs, because it does not die with us before setpriv has said that it shall.
                let child = try await Child.start("/bin/sh", ["-c", "echo $PPID; exec sleep 600"], log: ChildTests.pipe(of: getppid()))
                await child.exit()
            }
        }()
        let parent = try #require(Int32(String(decoding: try await onThread("a test") { Self.next(output) }.dropLast(), as: UTF8.self)))
        #expect(kill(parent, SIGKILL) == 0)
        await end
        #expect(try await onThread("a test") { Self.next(output) } == [])
    }

    private static func pipe(of process: Int32) -> String { NSTemporaryDirectory() + "autogit-child-\(process)" }

    /// What a pipe says next; nothing at its end.
    private static func next(_ pipe: Int32) -> [UInt8] {
        var event = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
        var bytes = [UInt8](repeating: 0, count: 100)
        guard poll(&event, 1, 300_000) == 1, case let length = read(pipe, &bytes, bytes.count), length >= 0 else { return Array("nothing came".utf8) }
        return Array(bytes.prefix(length))
    }

    @Test func whatCannotBeStartedIsAnError() async throws {
        await #expect(throws: (any Error).self) { try await Child.start("sleep", ["600"], log: "/nowhere/log") }
        await #expect(throws: (any Error).self) { try await Command.run("autogit-no-such-program", []) }
    }
}

/// Programs that are run to their end.
@Suite(.timeLimit(.minutes(10))) struct CommandTests {
    @Test func inputAndOutputMayBeLong() async throws {
        let input = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        #expect(try await Command.run("cat", [], input: input) == input)
        #expect(try await Command.run("/bin/sh", ["-c", "echo $WORD"], environment: ["WORD": "one"]) == Array("one\n".utf8))
    }

    @Test func aFailureIsToldInTheProgramsOwnWords() async throws {
        let input = [UInt8](repeating: 0, count: 3_000_000)
        let failed = await #expect(throws: Command.Failed.self) { try await Command.run("sh", ["-c", "echo why >&2; exit 3"], input: input) }
        #expect(failed?.description.contains("why") == true)
        #expect(failed?.description.contains("3") == true)
        await #expect(throws: Command.Failed.self) { try await Command.run("sh", ["-c", "kill -9 $$"]) }
    }

    /// A daemon that the program leaves behind may keep its output open.
    @Test func whatAProgramLeavesBehindIsNotWaitedFor() async throws {
        let out = try await Command.run("sh", ["-c", "sleep 600 & echo $!"])
        let pid = try #require(Int32(String(decoding: out, as: UTF8.self).dropLast()))
        #expect(kill(pid, SIGKILL) == 0)
    }
}
