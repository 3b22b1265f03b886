import Logging
import Testing

@testable import Systemd

@Suite struct JournalTests {
    @Test(arguments: [
        ("runner", "AUTOGIT_RUNNER"), ("last_lines", "AUTOGIT_LAST_LINES"), ("message_id", "MESSAGE_ID"), ("a=b\nPRIORITY", "AUTOGIT_A_B_PRIORITY"),
        ("größe", "AUTOGIT_GR_SSE"),
    ])
    func keysBecomeFieldNames(key: String, field: String) { #expect(JournalLogHandler.fieldName(key) == field) }

    /// `journalctl` shows the message only, and messages are constant.
    @Test func factsFollowTheMessage() {
        let metadata: Logger.Metadata = ["runner": "abc", "reason": "no space", "message_id": "1f", "event": "stuck"]
        #expect(JournalLogHandler.line("Runner is stuck", metadata) == "Runner is stuck  reason=no space runner=abc")
        #expect(JournalLogHandler.line("Stopped", [:]) == "Stopped")
    }

    @Test func prioritiesAreSyslogs() {
        #expect([Logger.Level.trace, .info, .notice, .warning, .error, .critical].map(\.syslogPriority) == [7, 6, 5, 4, 3, 2])
    }

    @Test func withoutSystemdThereIsNothingToTell() {
        #expect(ServiceManager().watchdogInterval == nil)
        ServiceManager().status("nobody hears this")
        #expect(InheritedSockets.take().isEmpty)
    }

    @Test func aBusThatIsNotThereIsNamed() async {
        let manager = UnitManager(address: "unix:path=/nonexistent/bus")
        let error = await #expect(throws: BusError.self) { try await manager.units(matching: "*") }
        #expect(error?.message.contains("/nonexistent/bus") == true)
    }
}
