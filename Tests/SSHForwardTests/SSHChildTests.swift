import Fleet
import Foundation
import Glibc
import Synchronization
import TestBench
import Testing
import Threads

@testable import SSHForward

/// With scripts in place of ssh.
@Suite struct SSHChildTests {
    private final class Started: Sendable { let value = Mutex<(pid: pid_t, refusal: Int32)?>(nil) }

    private func shell(_ script: String, input: [UInt8] = [], most: Int = 1 << 16, heard: @escaping @Sendable (String) -> Void = { _ in }) throws -> SSHChild {
        try SSHChild("/bin/sh", ["-c", script], environment: ["PATH=/usr/bin:/bin", "A=b"], input: input, most: most, heard: heard)
    }

    private func forward(_ scratch: ScratchFolder, _ script: String, clock: StepClock, told: Happenings<SSHForwardEvent> = .init()) async throws -> SSHForward {
        let program = "\(scratch.path)/ssh"
        // By another process: a program can't be run while any process has it open for writing, and this one forks at any time.
        let written = try await run("/bin/sh", ["-c", #"printf '#!/bin/sh\n%s\n' "$1" >"$2" && chmod 755 "$2""#, "sh", script, program])
        #expect(written.code == 0)
        return try SSHForward(
            SSHAddress("ssh://h/s"), socket: "\(scratch.path)/l", program: program, environment: ["PATH": "/usr/bin:/bin"], clock: clock, jitter: { 0 },
            told: { told.note($0) })
    }

    @Test func inputOutputErrorsAndCode() async throws {
        let heard = Happenings<String>()
        let end = try await shell("cat; echo $A; echo e >&2; exit 9", input: Array("in ".utf8), heard: { heard.note($0) }).exit()
        #expect(end == .init(code: 9, output: Array("in b\n".utf8), errors: "e\n", isTooLong: false))
        #expect(heard.all == ["e"])
    }

    @Test func onlyTheEndOfManyErrorsIsKept() async throws {
        let end = try await shell("yes no | head -c 1000000 >&2; echo last >&2").exit()
        #expect(end.errors.utf8.count == 16384 && end.errors.hasSuffix("last\n"))
    }

    @Test func oneThatWritesWithoutEndIsKilled() async throws {
        let end = try await shell("yes", most: 1000).exit()
        #expect(end.isTooLong && end.code == nil && end.output.count == 1000)
    }

    @Test func whatItStartedEndsWithIt() async throws {
        let end = try await shell("sleep 1000 & echo $!").exit()
        let pid = try #require(Int32(String(decoding: end.output, as: UTF8.self).dropLast()))
        // A zombie, until its new parent notices.
        let state = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        #expect(state == nil || state?.contains(") Z ") == true || state?.contains(") X ") == true)
    }

    @Test func aSignalBeforeItRunsIsNotLost() async throws {
        let child = try shell("sleep 1000")
        child.signal(SIGTERM)
        #expect(await child.exit().code == nil)
    }

    @Test func signalsThatWeIgnoreReachIt() async throws {
        let before = signal(SIGUSR2, SIG_IGN)
        defer { signal(SIGUSR2, before) }
        #expect(try await shell("kill -USR2 $$; echo alive").exit().code == nil)
    }

    @Test func aMissingProgramIsTold() async throws {
        let end = try await SSHChild("/nonexistent/ssh", [], environment: []).exit()
        #expect(end.code == 127)
        let words = SSHWords.reason(end.errors, status: "", address: try SSHAddress("ssh://h"))
        #expect(words.contains("Install openssh-client"))
    }

    @Test func oneThatIgnoresItsSignalIsKilledAfterAGrace() async throws {
        let (scratch, clock) = (try ScratchFolder("ssh"), StepClock())
        let forward = try await forward(scratch, "trap '' TERM; echo >\(scratch.path)/ready; while :; do sleep 1; done", clock: clock)
        let running = Task { await forward.run() }
        while access("\(scratch.path)/ready", F_OK) != 0 { await Task.yield() }
        running.cancel()
        #expect(await clock.waits.wait(for: .seconds(5)))
        #expect(forward.pid != nil)
        clock.advance(by: .seconds(5))
        await running.value
        #expect(forward.pid == nil)
    }

    @Test func oneThatNeverListensIsEnded() async throws {
        let (scratch, clock, told) = (try ScratchFolder("ssh"), StepClock(), Happenings<SSHForwardEvent>())
        let forward = try await forward(scratch, "echo >\(scratch.path)/ready; exec sleep 1000", clock: clock, told: told)
        let running = Task { await forward.run() }
        while access("\(scratch.path)/ready", F_OK) != 0 { await Task.yield() }
        // Nobody says when it begins to count.
        while told.all.isEmpty {
            clock.advance(by: .seconds(60))
            await Task.yield()
        }
        #expect(told.all.first == .closed(reason: "h did not finish the login within 60 s"))
        running.cancel()
        await running.value
    }

    @Test func aCommandThatTakesTooLongIsEnded() async throws {
        let (scratch, clock) = (try ScratchFolder("ssh"), StepClock())
        let forward = try await forward(scratch, "exec sleep 1000", clock: clock)
        let asking = Task { try await forward.output(of: "x", limit: 10, timeout: .seconds(7)) }
        #expect(await clock.waits.wait(for: .seconds(7)))
        clock.advance(by: .seconds(7))
        let error = await #expect(throws: SSHError.self) { try await asking.value }
        #expect(error?.message == "a command on h did not end within 7000 ms, and was ended")
    }

    @Test func aCommandThatIsCancelledIsEnded() async throws {
        let (scratch, clock) = (try ScratchFolder("ssh"), StepClock())
        let forward = try await forward(scratch, "exec sleep 1000", clock: clock)
        let asking = Task { try await forward.output(of: "x", limit: 10, timeout: .seconds(7)) }
        #expect(await clock.waits.wait(for: .seconds(7)))
        asking.cancel()
        await #expect(throws: CancellationError.self) { try await asking.value }
    }

    @Test func theCommandLine() async throws {
        let (scratch, clock) = (try ScratchFolder("ssh"), StepClock())
        let plain = try await forward(scratch, #"for word; do echo "$word"; done"#, clock: clock)
        let words = String(decoding: try await plain.output(of: "echo hi; x", limit: 10000, timeout: .seconds(9)), as: UTF8.self).split(separator: "\n").map(
            String.init)
        #expect(words.suffix(6) == ["-o", "SessionType=default", "-T", "--", "h", "echo hi; x"])
        for option in ["BatchMode=yes", "StrictHostKeyChecking=yes", "ControlPath=none", "ForwardAgent=no", "ForkAfterAuthentication=no"] {
            #expect(words.contains(option))
        }
        let options = SSHOptions(address: try SSHAddress("ssh://u@[::1]:23/s"), identity: "/i %h", knownHosts: ["/a b", "/c"])
        #expect(
            options.forward(from: "/l%", to: "/r").suffix(11)
                == [
                    "-o", "UserKnownHostsFile=\"/a b\" \"/c\"", "-N", "-L", "/l%%:/r", "-p", "23", "-l", "u", "--", "::1",
                ].suffix(11))
        #expect(options.command("x").contains("/i %%h") && options.command("x").contains("IdentitiesOnly=yes"))
    }

    @Test func pathsThatSSHWouldReadInItsOwnWayAreRefused() throws {
        let address = try SSHAddress("ssh://h")
        func make(_ socket: String, _ file: String = "/k") throws {
            _ = try SSHForward(address, socket: socket, knownHosts: [file], environment: [:], clock: StepClock()) { _ in }
        }
        for socket in ["l", "/a:b", "/a\nb", "/${X}", "/" + String(repeating: "x", count: 107)] { #expect(throws: SSHError.self) { try make(socket) } }
        for file in ["k", "/a\"b", "/a\nb", "/$X", "none"] { #expect(throws: SSHError.self) { try make("/l", file) } }
        try make("/l", "/a b")
    }

    @Test func whatIsNoSocketIsNotRemoved() async throws {
        let (scratch, clock, told) = (try ScratchFolder("ssh"), StepClock(), Happenings<SSHForwardEvent>())
        let forward = try await forward(scratch, "exit 1", clock: clock, told: told)
        try Data("x".utf8).write(to: URL(filePath: forward.socket))
        let running = Task { await forward.run() }
        #expect(await told.wait(for: .closed(reason: "\(forward.socket) is there and isn't a socket, so ssh can't listen there: remove it")))
        running.cancel()
        await running.value
        #expect(access(forward.socket, F_OK) == 0)
    }

    /// So that none outlives a daemon that is killed: the kernel ends its threads, too.
    @Test func aProgramEndsWithTheThreadThatStartedIt() async throws {
        let status = try await onThread("waiting for a program") {
            let started = Started()
            let null = open("/dev/null", O_RDWR | O_CLOEXEC)
            defer { close(null) }
            try startThread("starting a program", stackSize: 256 << 10) {
                var child = pid_t()
                let refusal = ChildStart.spawn(["/bin/sleep", "infinity"], [], descriptors: [null, null, null], &child)
                started.value.withLock { $0 = (child, refusal) }
            }
            while started.value.withLock({ $0 }) == nil { sched_yield() }
            let (pid, refusal) = started.value.withLock { $0 } ?? (0, -1)
            var status: Int32 = 0
            if refusal == 0 { waitpid(pid, &status, 0) }
            return status
        }
        #expect(status == SIGTERM)
    }
}
