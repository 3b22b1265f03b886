import Fleet
import Foundation
import HTTPTransfer
import Systemd
import Testing

@testable import Notify

@Suite struct LetterTests {
    static let sender = Sender(host: "nas", version: "1.2.3", page: "http://nas:8080/")

    static func notification(_ title: String = "Pool p is in quarantine", _ text: String = "why", _ state: Notify.Notification.State = .begun)
        -> Notify.Notification
    {
        var notification = Notification("quarantine", state, title, text, at: DeskTests.start)
        (notification.id, notification.pool, notification.job, notification.since) = ("id-1", "p", 42, DeskTests.start)
        return notification
    }

    /// As Python's email.header.decode_header reads them.
    @Test(arguments: [
        ("plain", "plain"), ("a\r\nX-Evil: 1", "a X-Evil: 1"), ("a\u{0}b", "a b"), ("läuft", "=?UTF-8?B?bMOkdWZ0?="),
        ("=?x", "=?UTF-8?B?PT94?="),
        (String(repeating: "ä", count: 23), "=?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6Q=?= =?UTF-8?B?w6Q=?="),
    ])
    func headersAreASCIIOnOneLine(text: String, value: String) { #expect(NtfyLetter.headerValue(text) == value) }

    @Test func noHeaderIsLongerThanAWordMayBe() {
        let value = NtfyLetter.headerValue(String(repeating: "a👩‍👩‍👧‍👦ß", count: 300))
        #expect(value.split(separator: " ").allSatisfy { $0.utf8.count <= 75 && $0.hasSuffix("?=") } && value.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    }

    @Test func ntfyGetsTitlePriorityTagsAndALink() {
        func headers(_ letter: NtfyLetter) -> [String: String] { Dictionary(uniqueKeysWithValues: letter.headers.map { ($0.name, $0.value) }) }
        var notification = Self.notification()
        #expect(
            headers(NtfyLetter(notification, from: Self.sender, token: nil)) == [
                "Title": "nas: Pool p is in quarantine", "Priority": "3", "Tags": "warning,quarantine", "Click": "http://nas:8080/",
            ])
        (notification.isCritical, notification.link) = (true, "http://gitlab/job")
        let critical = headers(NtfyLetter(notification, from: Self.sender, token: Secret("tk_1")))
        #expect(critical["Priority"] == "4" && critical["Click"] == "http://gitlab/job" && critical["Authorization"] == "Bearer tk_1")
        notification.state = .ended
        #expect(headers(NtfyLetter(notification, from: Self.sender, token: nil))["Priority"] == "2")
        #expect(headers(NtfyLetter(.test(at: DeskTests.start), from: Sender(host: "h", version: "1"), token: nil))["Click"] == nil)
    }

    @Test func aLongTextIsCutBetweenCharacters() {
        let body = NtfyLetter(Self.notification("t", String(repeating: "ß", count: 5000)), from: Self.sender, token: nil).body
        #expect(body.count <= NtfyLetter.mostBytes && String(validating: body, as: UTF8.self)?.hasSuffix("ß…") == true)
        #expect(NtfyLetter(Self.notification("t", ""), from: Self.sender, token: nil).body == Array("t".utf8))
    }

    @Test func aWebhookIsJSONWithWhatIsKnown() throws {
        let bytes = JSONLetter(Self.notification(), from: Self.sender, sentAt: 1_764_000_001).bytes()
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"{"delivery":"id-1","host":"nas","job":42,"kind":"quarantine","link":"http://nas:8080/","pool":"p","sent_at":1764000001,"#
                + #""since":"2025-11-24T16:00:00.000Z","state":"begun","text":"why","title":"Pool p is in quarantine","version":"1.2.3"}"#)
    }

    /// The values are other people's text, and an environment has one line for each.
    @Test func aCommandGetsTheSameInItsEnvironment() {
        let environment = JSONLetter(Self.notification("a\nAUTOGIT_KIND=x"), from: Self.sender, sentAt: 1).environment
        #expect(environment["AUTOGIT_TITLE"] == "a AUTOGIT_KIND=x" && environment["AUTOGIT_KIND"] == "quarantine" && environment["AUTOGIT_JOB"] == "42")
        #expect(environment["AUTOGIT_STATE"] == "begun" && environment["AUTOGIT_POOL"] == "p" && environment["AUTOGIT_HOST"] == "nas")
    }

    @Test(arguments: [
        (200, true, false), (204, true, false), (301, false, true), (401, false, true), (403, false, true), (404, false, true), (429, false, true),
        (408, false, true), (400, false, false), (413, false, false), (500, false, true), (503, false, true),
    ])
    func anAnswerIsGoodOrBadForNowOrForGood(status: Int, isDelivered: Bool, isRepeated: Bool) {
        let outcome = Carriers.judge(HTTPResponse(status: status, headers: [("retry-after", "7")], body: Array("the secret topic".utf8)))
        switch outcome {
        case .delivered: #expect(isDelivered)
        case .failed(let why, let after):
            #expect(isRepeated && !isDelivered && !why.contains("topic"))
            #expect(after == ((300..<400).contains(status) ? nil : .seconds(7)))
        case .refused(let why): #expect(!isRepeated && !isDelivered && !why.contains("topic"))
        }
    }

    @Test func wordsOfTheTransferWithASecretAreLeftOut() {
        let url = Secret("https://ntfy.sh/topic-s3cret?auth=abcdef")
        #expect(Carriers.words(for: TransferError(kind: .unreachable, message: "Could not resolve host: ntfy.sh"), url: url).contains("ntfy.sh"))
        for part in ["topic-s3cret", "abcdef"] {
            #expect(!Carriers.words(for: TransferError(kind: .other, message: "bad URL https://ntfy.sh/\(part)"), url: url).contains(part))
        }
    }

    // MARK: Commands

    private let units = CommandUnits(manager: UnitManager(address: "unix:path=/nowhere"))

    /// Never through a shell, never as a child of the daemon, and not for ever.
    @Test func aCommandIsATransientUnitWithATimeOut() {
        let properties = units.properties(["/bin/x", "$HOME; y"], input: [1, 2], environment: ["B": "2", "A": "1"], timeout: .seconds(3))
        var (command, input, environment, bound): ([String], [UInt8], [String], UInt64) = ([], [], [], 0)
        for property in properties {
            switch property {
            case .command(let words): command = words
            case .bytes("StandardInputData", let bytes): input = bytes
            case .texts("Environment", let values): environment = values
            case .number("RuntimeMaxUSec", let value): bound = value
            default: break
            }
        }
        #expect(command == ["/bin/x", "$HOME; y"] && input == [1, 2] && environment == ["A=1", "B=2"] && bound == 3_000_000)
    }

    @Test(arguments: [
        ("exit-code", 75, true), ("exit-code", 1, false), ("timeout", 15, false), ("signal", 9, false), ("oom-kill", 9, false), ("exit-code", 203, false),
    ])
    func onlyACommandThatWantsItIsRunAgain(result: String, code: Int64, isRepeated: Bool) {
        if case .failed = units.judge(result: result, code: code) { #expect(isRepeated) } else { #expect(!isRepeated) }
    }

    @Test func withoutAUserManagerItSaysWhoRunsCommands() async {
        let units = CommandUnits(manager: UnitManager(address: "unix:path=/nonexistent/bus"))
        let outcome = await units.run(["/bin/true"], input: [], environment: [:], timeout: .seconds(1), id: "x")
        if case .failed(let why, _) = outcome { #expect(why.contains("enable-linger")) } else { Issue.record("\(outcome)") }
    }
}
