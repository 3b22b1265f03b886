import Fleet
import Foundation
import TestBench
import Testing

@testable import Settings

@Suite struct SettingsTests {
    private let scratch: ScratchFolder
    private var directory: String { scratch.path }
    private let environment = SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil)

    init() throws {
        scratch = try ScratchFolder("settings")
        try secret("token", "glpat-secret\n", mode: 0o600)
        try secret("open", "glpat-open", mode: 0o644)
    }

    private func secret(_ name: String, _ text: String, mode: Int) throws {
        let path = "\(directory)/\(name)"
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    private func parse(_ text: String) throws -> Settings {
        try Settings.parse(
            text.replacingOccurrences(of: "DIR", with: directory), file: "autogit.toml", environment: environment)
    }

    private func errors(_ text: String) -> [SettingsError] {
        do {
            _ = try parse(text)
            return []
        } catch let invalid as InvalidSettings {
            return invalid.errors
        } catch {
            Issue.record("unexpected error: \(error)")
            return []
        }
    }

    private let minimal = """
        [gitlab]
        url = "http://192.168.1.170:3000"
        token_file = "DIR/token"
        [[pool]]
        name = "default"
        tags = ["autogit"]
        """

    @Test func fiveLinesAreEnough() throws {
        let settings = try parse(minimal)
        #expect(settings.gitlab.token.reveal() == "glpat-secret")
        #expect(settings.httpPort == 8080)
        #expect(settings.gitlab.pollInterval == .seconds(30))
        #expect(settings.budget.memory == Int64(9_663_676_416))
        #expect(settings.pools[0].cooldown == .seconds(300))
        #expect(settings.pools[0].stopSignal == "SIGQUIT")
        #expect(settings.pools[0].memory == 2 << 30)
    }

    @Test func everythingWrongIsSaidAtOnceWithLineAndKey() {
        let found = errors(
            """
            [gitlab]
            url = "gitlab"
            token_file = "DIR/open"
            pol_interval = "30s"
            [[pool]]
            name = "a"
            tags = ["x"]
            memory = "two"
            cpus = "2"
            [[pool]]
            name = "a"
            tags = ["x"]
            cooldown = "soon"
            """)
        #expect(found.map(\.line) == [2, 3, 4, 8, 9, 11, 13])
        #expect(
            found.map { $0.key ?? "" } == [
                "gitlab.url", "gitlab.token_file", "gitlab.pol_interval", "pool[0].memory", "pool[0].cpus",
                "pool[1].name", "pool[1].cooldown",
            ])
        #expect(found[1].message.contains("chmod 600"))
        #expect(found[2].message.contains("did you mean poll_interval?"))
        #expect(!found.contains { "\($0)".contains("glpat") })
    }

    @Test(arguments: [
        ("[gitlab\n", "not TOML"), ("[state]\n", "[gitlab]"), ("[gitlab]\nurl = 3\n", "is a whole number, and must be a text"),
        ("[gitlab]\nurl=\"http://h\"\ntoken_file=\"/nonexistent\"\n[[pool]]\nname=\"a\"\ntags=[\"x\"]", "cannot be read"),
    ])
    func brokenFilesAreRefused(text: String, says: String) {
        let found = errors(text)
        #expect(found.contains { $0.description.contains(says) }, "\(found)")
    }

    @Test func whatIsNoTextFileSaysSo() throws {
        #expect(FileManager.default.createFile(atPath: "\(directory)/bytes", contents: Data([0xFF, 0xFE, 0x00])))
        for (path, says) in [("bytes", "no file with a text"), ("", "no file with a text"), ("none", "No such file")] {
            let error = #expect(throws: InvalidSettings.self) { try Settings.read(path: "\(directory)/\(path)", environment: environment) }
            #expect(error?.errors.first?.message.contains(says) == true, "\(String(describing: error))")
        }
    }

    @Test(arguments: [("2GiB", 2 << 30), ("512MiB", 512 << 20), ("1.5 GB", 1_500_000_000), ("1048576", 1 << 20)])
    func sizes(text: String, bytes: Int64) { #expect(Units.bytes(text) == bytes) }

    @Test(arguments: ["", "GiB", "-1GiB", "2XB", "nan", "1e400", "99999999999TiB"])
    func noSizes(text: String) { #expect(Units.bytes(text) == nil) }

    @Test func times() {
        #expect(Units.duration("5m") == .seconds(300))
        #expect(Units.duration("1h30m") == .seconds(5400))
        #expect(Units.duration("250ms") == .milliseconds(250))
        for bad in ["", "5", "m", "5 parsecs", "-5m", "1e99h"] { #expect(Units.duration(bad) == nil) }
    }
}
