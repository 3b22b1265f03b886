import TestBench
import Testing

@testable import HostProbe

@Suite struct ProgramOutputTests {
    private func shell(_ script: String, limit: Duration = .seconds(30), most: Int = 1 << 20) -> ProgramOutput.Outcome {
        ProgramOutput.of("/bin/sh", ["-c", script], limit: limit, most: most)
    }

    @Test func outputAndExitCode() { #expect(shell("echo a; echo b >&2; exit 9") == .exited(9, "a\nb\n")) }

    @Test func itGetsNoInputAndLittleOfOurEnvironment() { #expect(shell("cat; env | grep -c HOME") == .exited(1, "0\n")) }

    @Test func oneThatHangsIsKilled() { #expect(shell("sleep 600 & wait", limit: .milliseconds(50)) == .failed("did not end within 50 ms")) }

    @Test func oneWhoseChildKeepsTheOutputOpenHasEndedAllTheSame() { #expect(shell("echo a; sleep 5 & exit 0") == .exited(0, "a\n")) }

    @Test func oneThatWritesWithoutEndIsKilled() { #expect(shell("yes", most: 10_000) == .failed("wrote more than 10000 bytes")) }

    @Test func aSignalIsTold() { #expect(shell("kill -SEGV $$") == .failed("was ended by signal 11")) }

    @Test func whatIsNotThereCannotBeStarted() {
        #expect(ProgramOutput.of("/nonexistent/x", [], limit: .seconds(1)) == .failed("can't be started: No such file or directory"))
    }
}
