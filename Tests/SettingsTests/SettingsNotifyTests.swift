import Fleet
import Foundation
import TestBench
import Testing

@testable import Settings

@Suite struct SettingsNotifyTests {
    private let scratch: ScratchFolder

    init() throws {
        scratch = try ScratchFolder("settings-notify")
        for (name, mode) in [("token", 0o600), ("secret", 0o600), ("open", 0o644)] {
            let path = "\(scratch.path)/\(name)"
            try "value-of-\(name)\n".write(toFile: path, atomically: false, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        }
    }

    private static let rest = "[gitlab]\nurl = \"http://h\"\ntoken_file = \"DIR/token\"\n[[pool]]\nname = \"p\"\ntags = [\"a\"]\n"

    private func parse(_ text: String) throws -> Settings {
        try Settings.parse(
            (Self.rest + text).replacingOccurrences(of: "DIR", with: scratch.path), file: "f",
            environment: SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil))
    }

    private func errors(_ text: String) -> [SettingsError] {
        do {
            _ = try parse(text)
            return []
        } catch { return (error as? InvalidSettings)?.errors ?? [] }
    }

    @Test func withoutASectionNobodyIsTold() throws { #expect(try parse("").notify.isEmpty) }

    @Test func twoLinesAreEnough() throws {
        let target = try #require(try parse("[[notify]]\nkind = \"ntfy\"\nurl = \"https://ntfy.sh/s3cret\"\n").notify.first)
        #expect(target.name == "ntfy" && target.kind == .ntfy && target.url?.reveal() == "https://ntfy.sh/s3cret" && target.address == "https://ntfy.sh")
        #expect(target.on == NotifyTarget.topics && target.wantsEnds && ConcernKind.allCases.allSatisfy(target.wants))
        #expect(target.rate == .init(count: 10, span: .seconds(3600)) && target.waitingAfter == .seconds(600) && target.settle == .seconds(30))
        #expect(target.timeout == .seconds(30) && target.secret == nil && target.token == nil && target.caFile == nil)
    }

    /// A topic is as secret as what is in the files.
    @Test func everythingIsReadAndNoSecretPrints() throws {
        let settings = try parse(
            """
            [[notify]]
            name = "home"
            kind = "webhook"
            url = "http://h:1/s3cret?x=y"
            on = ["token", "recovered"]
            secret_file = "DIR/secret"
            token_file = "DIR/token"
            rate = "3/d"
            waiting_after = "1h"
            settle = "0"
            timeout = "5s"
            [[notify]]
            kind = "command"
            command = ["/bin/x", "y"]
            [[notify]]
            kind = "command"
            command = ["/bin/z"]
            on = ["disk"]
            """)
        let target = settings.notify[0]
        #expect(target.secret?.reveal() == "value-of-secret" && target.token?.reveal() == "value-of-token" && target.on == ["token", "recovered"])
        #expect(target.rate == .init(count: 3, span: .seconds(86_400)) && target.waitingAfter == .seconds(3600))
        #expect(target.settle == .zero && target.timeout == .seconds(5) && target.wants(.token) && !target.wants(.disk))
        #expect(settings.notify.map(\.name) == ["home", "command", "command-2"] && settings.notify[1].command == ["/bin/x", "y"])
        #expect(!settings.notify[2].wantsEnds && settings.notify[1].address == "/bin/x")
        var dumped = "\(settings) \(String(reflecting: target))"
        dump(target, to: &dumped)
        #expect(!dumped.contains("s3cret") && !dumped.contains("value-of"))
    }

    @Test(arguments: [
        ("url = \"http://h/x\"", "kind", "is required"), ("kind = \"mail\"", "kind", "expected \"ntfy\", \"webhook\" or \"command\""),
        ("kind = \"ntfy\"", "url", "is required"), ("kind = \"webhook\"", "url", "is required"), ("kind = \"command\"", "command", "is required"),
        ("kind = \"ntfy\"\nurl = \"ftp://h/s3cret\"", "url", "not a valid URL"), ("kind = \"ntfy\"\nurl = \"http://u:s3cret@h/x\"", "url", "not a valid URL"),
        ("kind = \"webhook\"\nurl = \"http://h/s3cret x\"", "url", "not a valid URL"),
        ("kind = \"ntfy\"\nurl = \"https://ntfy.sh/\"", "url", "lacks the topic"),
        ("kind = \"ntfy\"\nurl = \"https://ntfy.sh\"", "url", "lacks the topic"),
        ("kind = \"ntfy\"\nurl = \"http://h/x\"\ncommand = [\"/x\"]", "command", "has no effect with kind = \"ntfy\""),
        ("kind = \"ntfy\"\nurl = \"http://h/x\"\nsecret_file = \"DIR/secret\"", "secret_file", "has no effect"),
        ("kind = \"command\"\ncommand = [\"/x\"]\nurl = \"http://h/x\"", "url", "has no effect"),
        ("kind = \"command\"\ncommand = [\"/x\"]\ntoken_file = \"DIR/token\"", "token_file", "has no effect"),
        ("kind = \"command\"\ncommand = [\"x\"]", "command", "absolute path"), ("kind = \"command\"\ncommand = []", "command", "absolute path"),
        ("kind = \"command\"\ncommand = \"/x\"", "command", "an array of strings"),
        ("kind = \"command\"\ncommand = [\"/x\"]\non = [\"fire\"]", "on", "\"fire\" is not known; known are quarantine, waiting, gitlab, token"),
        ("kind = \"command\"\ncommand = [\"/x\"]\non = []", "on", "names nothing"),
        ("kind = \"command\"\ncommand = [\"/x\"]\non = [\"recovered\"]", "on", "names nothing"),
        ("kind = \"command\"\ncommand = [\"/x\"]\nrate = \"often\"", "rate", "for example 10/h"),
        ("kind = \"command\"\ncommand = [\"/x\"]\ntimeout = \"10ms\"", "timeout", "at least 1s"),
        ("kind = \"command\"\ncommand = [\"/x\"]\nname = \"a b\"", "name", "not a valid name"),
        ("kind = \"command\"\ncommand = [\"/x\"]\nurgency = 3", "urgency", "unknown key"),
        ("kind = \"webhook\"\nurl = \"http://h/x\"\nsecret_file = \"DIR/open\"", "secret_file", "chmod 600"),
    ])
    func whatDoesNotFitIsRefusedWithTheWayOut(lines: String, key: String, words: String) {
        let found = errors("[[notify]]\n\(lines)\n")
        #expect(found.map(\.key) == ["notify[0].\(key)"] && found[0].message.contains(words), "\(found)")
        #expect((found.first?.line ?? 0) >= 7 && !"\(found)".contains("s3cret") && !"\(found)".contains("value-of"), "\(found)")
    }

    @Test func twoOfOneNameAreRefused() {
        let one = "[[notify]]\nname = \"a\"\nkind = \"command\"\ncommand = [\"/x\"]\n"
        #expect(errors(one + one).map(\.key) == ["notify[1].name"])
        #expect(errors("[notify]\nkind = \"ntfy\"\n").first?.message.contains("[[notify]]") == true)
    }
}
