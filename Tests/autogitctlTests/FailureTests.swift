import ArgumentParser
import Testing

@testable import autogitctl

/// What scripts see, and what operators read.
@Suite struct FailureTests {
    private func problem(_ detail: String) -> [UInt8] {
        Array(#"{"type":"about:blank","title":"t","status":1,"detail":"\#(detail)"}"#.utf8)
    }

    @Test(arguments: [(404, 3), (409, 4), (503, 69), (400, 1), (403, 1), (422, 1), (500, 1), (502, 1)] as [(Int, Int32)])
    func aStatusBecomesAnExitStatus(status: Int, code: Int32) {
        #expect(Failure.refused(status: status, body: problem("why")) == Failure("why", ExitCode(code)))
    }

    @Test(arguments: ["", "<html>502</html>", "{}", "null"]) func anAnswerThatIsNotOursNamesTheNextStep(body: String) {
        let failure = Failure.refused(status: 502, body: Array(body.utf8))
        #expect(failure.status == .failure && failure.message.contains("502") && failure.message.contains("journalctl -u autogit"))
    }

    @Test func whoMayNotUseTheSocketLearnsHow() {
        let failure = Failure.unreachable(socket: "/s", reason: "Permission denied", isForbidden: true)
        #expect(failure.status.rawValue == 77)
        for word in ["/s", "sudo", "usermod -aG autogit $USER"] { #expect(failure.message.contains(word)) }
    }

    @Test func aDaemonThatIsAwayIsLookedAtWithSystemctl() {
        let failure = Failure.unreachable(socket: "/s", reason: "Connection refused", isForbidden: false)
        #expect(failure.status.rawValue == 69)
        for word in ["/s", "Connection refused", "systemctl status autogit.socket"] { #expect(failure.message.contains(word)) }
    }

    @Test func aSocketThatIsMissingIsADaemonThatIsAway() async {
        let failure = await #expect(throws: Failure.self) { try await ControlClient(socket: "/nonexistent/control.sock").call("GET", "/status") }
        #expect(failure?.status == .unavailable)
    }

    @Test func anUnknownFormatIsAQuestionOfVersions() {
        let failure = #expect(throws: Failure.self) { try ControlClient(socket: "/s").decode([String].self, Array("{".utf8)) }
        #expect(failure?.status == .failure && failure?.message.contains("--version") == true)
    }

    /// The manual lists them, and a script that was written to it goes on working.
    @Test func exitStatusesAreTheManuals() {
        #expect([ExitCode.failure, .notFound, .conflict, .validationFailure, .unavailable, .noPermission].map(\.rawValue) == [1, 3, 4, 64, 69, 77])
    }
}
