import Fleet
import Foundation
import JSONSchema
import TestBench
import TOMLKit
import Testing

@testable import Settings

/// The schema for editors against the reader: both take the same, as far as a schema can tell.
@Suite struct EditorSchemaTests {
    private let scratch: ScratchFolder
    private let schema = SettingsSchema.editorSchema
    private let environment = SettingsEnvironment(machineMemory: 100 << 30, credentialsDirectory: nil)

    init() throws {
        scratch = try ScratchFolder("schema")
        let made = FileManager.default.createFile(atPath: secret, contents: Data("a-secret\n".utf8), attributes: [.posixPermissions: 0o600])
        #expect(made)
        let blocks = ["CERTIFICATE", "PRIVATE KEY"].map { "-----BEGIN \($0)-----\n-----END \($0)-----\n" }.joined()
        #expect(FileManager.default.createFile(atPath: pem, contents: Data(blocks.utf8), attributes: [.posixPermissions: 0o600]))
    }

    private var secret: String { "\(scratch.path)/secret" }
    private var pem: String { "\(scratch.path)/pem" }

    // MARK: Both opinions of a text

    private func readersComplaints(_ text: String) throws -> [String] {
        do {
            _ = try Settings.parse(text, file: "autogit.toml", environment: environment)
            return []
        } catch let invalid as InvalidSettings {
            return invalid.errors.map(\.description)
        }
    }

    private func schemasComplaints(_ text: String) throws -> [String] {
        let value = try JSONValue(json: TOMLTable(string: text).convert(to: .json))
        return SchemaChecker(document: schema).complaints(about: value, by: schema)
    }

    private func expectBothTake(_ text: String) throws {
        #expect(try readersComplaints(text) == [], "\(text)")
        #expect(try schemasComplaints(text) == [], "\(text)")
    }

    private func expectBothRefuse(_ text: String) throws {
        #expect(try !readersComplaints(text).isEmpty, "the reader takes\n\(text)")
        #expect(try !schemasComplaints(text).isEmpty, "the schema takes\n\(text)")
    }

    // MARK: Every key

    /// A key of some table, whatever it is read into.
    private struct Key {
        var section: String
        var name: String
        var schema: JSONValue
        /// Its default and its example, as the file writes them.
        var values: [String]

        init<Target>(_ section: String, _ key: SettingKey<Target>, _ defaults: Target) {
            (self.section, name, schema) = (section, key.name, key.schema.value)
            values = [key.value(in: defaults), key.example ?? .none].filter { $0 != .none }.map(\.toml)
        }
    }

    private static let keys: [Key] =
        SettingsSchema.sections.flatMap { section in section.keys.map { Key("[\(section.name)]", $0, SettingsDraft()) } }
        + SettingsSchema.host.map { Key("[[host]]", $0, HostDraft()) }
        + SettingsSchema.power.map { Key("[host.power]", $0, PowerDraft()) }
        + SettingsSchema.registry.map { Key("[registry.\"r.home\"]", $0, RegistryDraft()) }
        + SettingsSchema.schedule.map { Key("[[pool.schedule]]", $0, ScheduleDraft()) }
        + SettingsSchema.priority.map { Key("[[priority]]", $0, PriorityDraft()) }
        + SettingsSchema.notify.map { Key("[[notify]]", $0, NotifyDraft()) }
        + SettingsSchema.pool.map { Key("[[pool]]", $0, Pool(name: "p")) }
        + SettingsSchema.poolSections.flatMap { section in section.keys.map { Key("[pool.\(section.name)]", $0, Pool(name: "p")) } }

    /// What some keys have no effect without.
    private static let companions = [
        "tags": "run_untagged = true", "emulation": "architecture = \"amd64\"", "gpus": "gpu = \"nvidia\"", "gpu_share": "gpu = \"nvidia\"",
        "disk_max": "executor = \"shell\"", "warm_max": "warm = \"auto\"", "overflow_after": "prefer = [\"fast\"]",
    ]

    /// A file that is valid but for this key of it.
    private func file(_ section: String, _ name: String, _ value: String) -> String {
        var parts: [(header: String, lines: [String])] = [
            ("[gitlab]", ["url = \"http://h\"", "token_file = \"\(secret)\""]), ("[listen]", ["control_token_file = \"\(secret)\""]), ("[metrics]", []),
            ("[state]", []), ("[engine]", []), ("[host]", []), ("[registry.\"r.home\"]", ["username = \"u\"", "password_file = \"\(secret)\""]),
            ("[[pool]]", ["name = \"p\"", "tags = [\"x\"]"]), ("[pool.docker]", []), ("[pool.cache]", []), ("[pool.kubernetes]", []),
            ("[[pool.schedule]]", ["warm = \(name == "warm_max" ? "\"auto\"" : "1")", "from = \"08:00\""]), ("[cost]", []), ("[[notify]]", notifyLines(name)),
            ("[[priority]]", ["value = 1"]),
        ]
        if section == "[pool.cache]", SettingsSchema.s3.contains(where: { $0.name == name }) {
            parts[9].lines = ["kind = \"s3\"", "bucket = \"b\"", "access_key_file = \"\(secret)\"", "secret_key_file = \"\(secret)\""]
        }
        if section == "[[host]]" || section == "[[pool]]" && ["hosts", "needs", "prefer", "overflow_after"].contains(name) {
            let files = ["tls_ca", "tls_cert", "tls_key"]
            let more = files.contains(name) ? ["runner_socket = \"/s\""] + files.map { "\($0) = \"\(pem)\"" } : []
            parts[5] = (
                "[[host]]",
                ["name = \"desktop1\"", "engine = \"\(more.isEmpty ? "ssh://h" : "tcp://h:1")\"", "labels = [\"fast\"]", "resources = { usb-jtag = 1 }"] + more
            )
        }
        if section == "[[host]]", ["kubeconfig", "context", "namespace"].contains(name) {
            parts[5] = (section, ["name = \"home\"", "engine = \"kubernetes\"", "kubeconfig = \"\(secret)\""])
        }
        if section == "[host.power]" {
            parts[5] = ("[[host]]", ["name = \"desktop1\"", "engine = \"ssh://h\""])
            parts.insert((section, ["wake = [\"/usr/bin/wake\"]", "sleep = [\"/usr/bin/sleep\"]"]), at: 6)
        }
        if let companion = Self.companions[name], let pool = parts.firstIndex(where: { $0.header == "[[pool]]" }) { parts[pool].lines.append(companion) }
        return parts.map { part in
            guard part.header == section else { return ([part.header] + part.lines).joined(separator: "\n") }
            return ([part.header] + part.lines.filter { !$0.hasPrefix("\(name) =") } + ["\(name) = \(value)"]).joined(separator: "\n")
        }.joined(separator: "\n")
    }

    /// Of a target of the kind that the key is for.
    private func notifyLines(_ name: String) -> [String] {
        switch name {
        case "command": ["kind = \"command\"", "command = [\"/bin/true\"]"]
        case "secret_file": ["kind = \"webhook\"", "url = \"https://h/x\""]
        default: ["kind = \"ntfy\"", "url = \"https://h/x\""]
        }
    }

    @Test func theDefaultAndTheExampleOfEachKeyAreTakenByBoth() throws {
        for key in Self.keys {
            // A command of no words is none: its default is for the other kinds.
            for value in key.values where (key.section, key.name, value) != ("[[notify]]", "command", "[]") {
                // Files are there for the reader only.
                let path = key.name.hasSuffix("_file") ? secret : key.name.hasPrefix("tls_") ? pem : key.name == "kubeconfig" ? secret : nil
                try expectBothTake(file(key.section, key.name, path.map { "\"\($0)\"" } ?? value))
                if path != nil { #expect(try schemasComplaints(file(key.section, key.name, value)) == []) }
            }
            guard let words = key.schema["enum"]?.elements else { continue }
            for word in words {
                // Rules between keys are the reader's.
                #expect(try schemasComplaints(file(key.section, key.name, word.text)) == [])
                #expect(try !readersComplaints(file(key.section, key.name, word.text)).contains { $0.contains("is not valid") }, "\(word)")
            }
        }
    }

    /// One for each type, its bounds and its words, found in the schema. (To a schema a date is a string: JSON has none.)
    @Test func aValueOfAnotherTypeOrOutOfBoundsIsRefusedByBoth() throws {
        for key in Self.keys {
            var wrong: [String]
            switch key.schema["type"]?.string {
            case "string": wrong = ["7", "[\"x\"]"] + (key.schema["enum"] == nil ? [] : ["\"nonsense\"", "\"\""])
            case "array": wrong = ["\"x\"", "[1]"] + (key.schema["items"]?["enum"] == nil ? [] : ["[\"nonsense\"]"])
            case "boolean": wrong = ["\"true\"", "1"]
            case "integer": wrong = ["\"1\"", "1.5", "\((key.schema["minimum"]?.double ?? .nan) - 1)", "\(Int((key.schema["maximum"]?.double ?? .nan) + 1))"]
            case "number": wrong = ["\"2\"", "-1", "100001", "true"] + (key.schema["minimum"] == nil ? ["0", "4097"] : [])
            case "object": wrong = ["\"x\"", "{ http_proxy = 1 }", "{ x = 0 }"]
            case nil where key.name == "warm": wrong = ["\"some\"", "-1", "1000001", "1.5", "true"]
            default: wrong = ["\"some\"", "0", "65", "true"]
            }
            for value in wrong { try expectBothRefuse(file(key.section, key.name, value)) }
        }
    }

    @Test(arguments: [
        ("[gitlab]", "url", "\"gitlab.home\""), ("[gitlab]", "url", "\"ftp://h\""), ("[gitlab]", "url", "\"http://h/?x=1\""),
        ("[gitlab]", "url", "\"http://u@h\""), ("[gitlab]", "webhook_url", "\"http://h:8080\""), ("[gitlab]", "webhook_url", "\"h/webhook/job\""),
        ("[gitlab]", "name", "\"GitLab\""), ("[gitlab]", "name", "\"\""), ("[gitlab]", "poll_interval", "\"soon\""), ("[gitlab]", "poll_interval", "\"30\""),
        ("[gitlab]", "proxy", "{ ftp_proxy = \"x\" }"), ("[listen]", "http", "\"8080\""), ("[host]", "memory", "\"2 cows\""), ("[host]", "memory", "\"none\""),
        ("[[host]]", "name", "\"Desktop\""), ("[[host]]", "engine", "\"desktop1\""), ("[[host]]", "engine", "\"ssh://-x\""),
        ("[[host]]", "engine", "\"ssh://u:p@h\""), ("[[host]]", "engine", "\"tcp://localhost\""), ("[[host]]", "engine", "\"unix://s\""),
        ("[[host]]", "labels", "[\"A\"]"), ("[[host]]", "resources", "{ a = 1001 }"), ("[[host]]", "resources", "{ A = 1 }"),
        ("[[host]]", "runner_socket", "\"s.sock\""), ("[[host]]", "lost_after", "\"soon\""), ("[[pool]]", "hosts", "[\"a b\"]"),
        ("[host.power]", "wake", "\"00:11:22:33:44:55\""), ("[host.power]", "wake", "\"wol:00:11:22:33:44\""), ("[host.power]", "wake", "[]"),
        ("[host.power]", "wake", "1"), ("[host.power]", "idle", "\"soon\""),
        ("[[pool]]", "needs", "{ usb-jtag = 0 }"),
        ("[[pool]]", "name", "\"a b\""), ("[[pool]]", "tags", "[\"a,b\"]"), ("[[pool]]", "tags", "[\"\"]"), ("[[pool]]", "memory", "\"two\""),
        ("[[pool]]", "cooldown", "\"5 minutes\""), ("[[pool]]", "stop_signal", "\"QUIT\""), ("[[pool]]", "register", "\"group:\""),
        ("[[pool]]", "register", "\"user:1\""), ("[[pool]]", "image", "\"\""), ("[[pool]]", "mounts", "[\"a:/b\"]"), ("[[pool]]", "mounts", "[\"/a\"]"),
        ("[[pool]]", "env", "{ A = 1 }"), ("[pool.docker]", "volumes", "[\"a:b\"]"), ("[pool.docker]", "extra_hosts", "[\"nas\"]"),
        ("[pool.docker]", "devices", "[\"ttyUSB0\"]"), ("[pool.docker]", "shm_size", "\"-1\""), ("[pool.cache]", "bucket", "\"a/b\""),
        ("[pool.cache]", "location", "\"\""), ("[registry.\"r.home\"]", "username", "\"a:b\""), ("[registry.\"r.home\"]", "password_file", "\"\""),
    ])
    func aTextOfAnotherFormIsRefusedByBoth(section: String, key: String, value: String) throws { try expectBothRefuse(file(section, key, value)) }

    @Test func anUnknownKeyIsRefusedByBoth() throws {
        for section in [
            "[gitlab]", "[listen]", "[metrics]", "[state]", "[engine]", "[host]", "[[host]]", "[host.power]", "[registry.\"r.home\"]", "[[pool]]",
            "[pool.docker]",
            "[pool.cache]",
        ] {
            try expectBothRefuse(file(section, "nonsense", "1"))
        }
        try expectBothRefuse("nonsense = 1\n" + file("[state]", "directory", "\"/s\""))
        try expectBothRefuse(file("[state]", "directory", "\"/s\"") + "\n[nonsense]\n")
        try expectBothRefuse(file("[state]", "directory", "\"/s\"") + "\n[pool.nonsense]\n")
        // gitlab-runner's own keys are its own.
        try expectBothTake(file("[state]", "directory", "\"/s\"") + "\n[pool.runner]\noutput_limit = 100\n[pool.runner.docker]\ntmpfs = { \"/t\" = \"rw\" }\n")
    }

    @Test(arguments: [
        "", "[gitlab]\nurl = \"http://h\"\ntoken_file = \"SECRET\"", "[gitlab]\ntoken_file = \"SECRET\"\n[[pool]]\nname = \"p\"\ntags = [\"x\"]",
        "[gitlab]\nurl = \"http://h\"\ntoken_file = \"SECRET\"\n[[pool]]\ntags = [\"x\"]",
        "[gitlab]\nurl = \"http://h\"\ntoken_file = \"SECRET\"\n[pool]\nname = \"p\"",
        "host = 1\n[gitlab]\nurl = \"http://h\"\ntoken_file = \"SECRET\"\n[[pool]]\nname = \"p\"\ntags = [\"x\"]",
        "host = []\n[gitlab]\nurl = \"http://h\"\ntoken_file = \"SECRET\"\n[[pool]]\nname = \"p\"\ntags = [\"x\"]",
        "[gitlab]\nurl = \"http://h\"\ntoken_file = \"SECRET\"\n[[pool]]\nname = \"p\"\ntags = [\"x\"]\n[[host]]\nengine = \"ssh://h\"",
        "[gitlab]\nurl = \"http://h\"\ntoken_file = \"SECRET\"\n[[pool]]\nname = \"p\"\ntags = [\"x\"]\n[registry.\"r\"]\nusername = \"u\"",
        "[gitlab]\nurl = \"http://h\"\ntoken_file = \"SECRET\"\n[[pool]]\nname = \"p\"\ntags = [\"x\"]\n[registry.\"a/b\"]\nusername = \"u\"\npassword_file = \"SECRET\"",
    ])
    func whatIsMissingOrInTheWrongPlaceIsRefusedByBoth(text: String) throws {
        let text = text.replacingOccurrences(of: "SECRET", with: secret)
        #expect(throws: (any Error).self) { try Settings.parse(text, file: "autogit.toml", environment: environment) }
        #expect(try !schemasComplaints(text).isEmpty)
    }

    /// The pattern of an editor is that of the reader.
    @Test(arguments: ["2GiB", " 1.5 GB ", "1048576", "5k", "3b", "1.TiB", ".5g", "", "GiB", "-1GiB", "2XB", "nan", "1t", "1.2.3k", "none"])
    func sizesFitTheirPatternWhenTheyAreRead(text: String) throws {
        #expect(try Regex(Units.sizePattern()).firstMatch(in: text).map { _ in true } ?? false == (Units.bytes(text) != nil))
        #expect(try Regex(Units.sizePattern(orNone: true)).firstMatch(in: text) != nil || Units.bytes(text) == nil && text != "none")
    }

    @Test(arguments: ["5m", "30s", "1h30m", "1h 30 M", "250ms", " 0 ", "1d", ".5s", "1.s", "", "0s", "5", "s", "soon", "1x", "-1s", "1..2s", "1h30", "00"])
    func timesFitTheirPatternWhenTheyAreRead(text: String) throws {
        #expect(try Regex(Units.durationPattern).firstMatch(in: text).map { _ in true } ?? false == (Units.duration(text) != nil))
    }

    /// As editors show it.
    @Test func itDescribesEachKeyWithItsDefault() {
        let pool = schema["properties"]?["pool"]?["items"]?["properties"]
        #expect(pool?["driver"]?.text.contains(#""description":"\"container\", or \"scope\": processes of this host","default":"container""#) == true)
        #expect(pool?["cooldown"]?["default"] == "5m" && pool?["tags"]?["examples"] == [["autogit", "docker"]] && pool?["tags"]?["default"] == nil)
        for part in [schema["properties"]?["gitlab"], pool?["docker"], pool?["cache"]] {
            for member in part?["properties"]?.members ?? [] { #expect(member.value["description"]?.string?.isEmpty == false, "\(member.name)") }
        }
    }
}
