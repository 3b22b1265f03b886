import Fleet
import Foundation
import TestBench
import Testing

@testable import Settings

@Suite struct ScheduleSettingsTests {
    private let scratch: ScratchFolder
    private let environment: SettingsEnvironment

    /// A machine in Berlin that knows two other zones.
    init() throws {
        scratch = try ScratchFolder("schedules")
        try "glpat-secret\n".write(toFile: "\(scratch.path)/token", atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: "\(scratch.path)/token")
        let folder = "\(scratch.path)/zoneinfo"
        for (name, rule) in ["Europe/Berlin": "CET-1CEST,M3.5.0,M10.5.0/3", "America/New_York": "EST5EDT,M3.2.0,M11.1.0", "Etc/UTC": "UTC0"] {
            let file = URL(filePath: "\(folder)/\(name)")
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Self.zone(rule).write(to: file)
        }
        try Data("no zone".utf8).write(to: URL(filePath: "\(folder)/tzdata.zi"))
        try FileManager.default.createSymbolicLink(atPath: "\(scratch.path)/localtime", withDestinationPath: "\(folder)/Europe/Berlin")
        var environment = SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil)
        environment.zones.folder = folder
        environment.zones.local = "\(scratch.path)/localtime"
        self.environment = environment
    }

    /// In the format TZif, version 2, with a rule and nothing else.
    private static func zone(_ rule: String) -> Data {
        let block: [UInt8] = Array("TZif2".utf8) + [UInt8](repeating: 0, count: 35) + [0, 0, 0, 0]
        var header = block
        (header[39], header[43]) = (1, 1)
        let body: [UInt8] = [0, 0, 0, 0, 0, 0, 0]
        return Data(header + body + header + body + Array("\n\(rule)\n".utf8))
    }

    private let minimal = """
        [gitlab]
        url = "http://h"
        token_file = "DIR/token"
        [[pool]]
        name = "p"
        tags = ["a"]

        """

    private func parse(_ lines: String) throws -> Settings {
        try Settings.parse((minimal + lines).replacingOccurrences(of: "DIR", with: scratch.path), file: "f", environment: environment)
    }

    private func errors(_ lines: String) -> [SettingsError] {
        do {
            _ = try parse(lines)
            return []
        } catch let invalid as InvalidSettings {
            return invalid.errors
        } catch {
            Issue.record("unexpected error: \(error)")
            return []
        }
    }

    @Test func schedulesAreReadInTheirOrder() throws {
        let pool = try parse(
            """
            max_runners = 6
            warm = 1
            [[pool.schedule]]
            days = ["mon-fri"]
            from = "08:00"
            to = "18:00"
            warm = 4
            cooldown = "30m"
            [[pool.schedule]]
            days = ["weekend", "fri"]
            from = "22:30"
            to = "06:00"
            time_zone = "America/New_York"
            max_runners = 0
            [[pool.schedule]]
            warm = "auto"
            warm_max = 3
            """
        ).pools[0]
        #expect(
            pool.schedules.map(\.description) == [
                "mon-fri 08:00-18:00 Europe/Berlin", "fri-sun 22:30-06:00 America/New_York", "mon-sun 00:00-24:00 Europe/Berlin",
            ])
        #expect(pool.schedules.map(\.warm) == [.fixed(4), nil, .auto] && pool.schedules.map(\.warmMax) == [nil, nil, 3])
        #expect(pool.schedules.map(\.maxRunners) == [nil, 0, nil] && pool.schedules.map(\.cooldown) == [.seconds(1800), nil, nil])
        #expect(pool.warm == 1 && pool.learns)
        // Eight o'clock in Berlin is six in summer, and seven in winter.
        #expect(pool.schedules[0].zone.offset(at: 1_784_102_400) == 7200 && pool.schedules[0].zone.offset(at: 1_768_464_000) == 3600)
    }

    @Test func theMachinesZoneIsItsOwn() throws {
        #expect(try parse("").zone.name.hasSuffix("Europe/Berlin"))
        var zones = environment.zones
        #expect(zones.rules(named: "Etc/UTC") != nil && zones.rules(named: "UTC") == .utc)
        for name in ["", "Nowhere", "../zoneinfo/Etc/UTC", "/etc/passwd", "Etc", "tzdata.zi", "Etc/UTC\u{0}x", "Europe/Bérlin"] {
            #expect(zones.rules(named: name) == nil)
        }
        zones.local = "\(scratch.path)/nothing"
        #expect(zones.machine() == .utc)
    }

    /// Each is refused under the key that is wrong, at that key's line.
    @Test(arguments: [
        ("[[pool.schedule]]\ndays = [\"monday\"]\nwarm = 1", "schedule[0].days", 8), ("[[pool.schedule]]\ndays = []\nwarm = 1", "schedule[0].days", 8),
        ("[[pool.schedule]]\nfrom = \"8:00\"\nwarm = 1", "schedule[0].from", 8), ("[[pool.schedule]]\nfrom = \"24:00\"\nwarm = 1", "schedule[0].from", 8),
        ("[[pool.schedule]]\nto = \"24:01\"\nwarm = 1", "schedule[0].to", 8), ("[[pool.schedule]]\nto = 18\nwarm = 1", "schedule[0].to", 8),
        ("[[pool.schedule]]\nwarm = 1\ntime_zone = \"Europe/Berln\"", "schedule[0].time_zone", 9),
        ("[[pool.schedule]]\nwarm = 1\ntime_zone = \"../../etc/passwd\"", "schedule[0].time_zone", 9),
        ("[[pool.schedule]]\nwarm = -1", "schedule[0].warm", 8), ("[[pool.schedule]]\nwarm = \"some\"", "schedule[0].warm", 8),
        ("[[pool.schedule]]\nwarm = 11", "schedule[0].warm", 8), ("[[pool.schedule]]\nmax_runners = 1\nwarm = 2", "schedule[0].warm", 9),
        ("[[pool.schedule]]\nwarm = 1\nwarm_max = 2", "schedule[0].warm_max", 9), ("[[pool.schedule]]\ncooldown = \"x\"", "schedule[0].cooldown", 8),
        ("[[pool.schedule]]\nwarmth = 1", "schedule[0].warmth", 8), ("[[pool.schedule]]\nfrom = \"08:00\"", "schedule[0]", 7),
        // What comes before it has all of its hours.
        ("[[pool.schedule]]\nwarm = 1\n[[pool.schedule]]\nfrom = \"08:00\"\nto = \"10:00\"\nwarm = 2", "schedule[1]", 9),
        (
            "[[pool.schedule]]\ndays = [\"fri\"]\nfrom = \"20:00\"\nto = \"08:00\"\nwarm = 1\n[[pool.schedule]]\ndays = [\"sat\"]\nto = \"08:00\"\nwarm = 2",
            "schedule[1]", 12
        ),
        ("[pool.schedule]\nwarm = 1", "schedule", 7), ("schedule = [{ warm = 1, from = \"25:00\" }]", "schedule[0].from", 7),
        ("schedule = [1]", "schedule[0]", 7), ("warm_max = 2", "warm_max", 7), ("warm = \"auto\"\nwarm_max = 11", "warm_max", 8), ("warm = 11", "warm", 7),
    ])
    func nonsenseIsRefusedAtItsLine(lines: String, key: String, line: Int) {
        let found = errors(lines)
        #expect(found.map(\.key) == ["pool[0].\(key)"] && found.map(\.line) == [line], "\(found)")
    }

    /// Two schedules of the second pool, and one of the first.
    @Test func theSchedulesOfASecondPoolHaveTheirOwnLines() {
        let found = errors(
            "[[pool.schedule]]\nwarm = 1\n[[pool]]\nname = \"q\"\ntags = [\"b\"]\n[[pool.schedule]]\nto = \"01:00\"\nwarm = 1\n[[pool.schedule]]\nwarm = 99\n")
        #expect(found.map(\.key) == ["pool[1].schedule[1].warm"] && found.map(\.line) == [16], "\(found)")
    }
}
