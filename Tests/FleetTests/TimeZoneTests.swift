import Foundation
import Testing

@testable import Fleet

/// Zones as the tests need them, whatever the machine has.
enum Zones {
    /// A file in the format TZif, version 2, with one kind of time and a rule.
    static func file(_ footer: String, offset: Int32 = 0) -> [UInt8] {
        func header(_ version: UInt8) -> [UInt8] {
            Array("TZif".utf8) + [version] + [UInt8](repeating: 0, count: 15) + [0, 0, 0, 0, 1, 4].flatMap { [0, 0, 0, UInt8($0)] }
        }
        let seconds = (0..<4).reversed().map { UInt8(truncatingIfNeeded: offset >> ($0 * 8)) }
        let block = seconds + [0, 0] + Array("LMT\0".utf8)
        return header(0x32) + block + header(0x32) + block + Array("\n\(footer)\n".utf8)
    }

    static func zone(_ name: String, _ footer: String) -> TimeZoneRules { TimeZoneRules(name: name, file: file(footer)) ?? .utc }

    static let berlin = zone("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3")
    static let newYork = zone("America/New_York", "EST5EDT,M3.2.0,M11.1.0")
    static let kolkata = zone("Asia/Kolkata", "IST-5:30")
    static let sydney = zone("Australia/Sydney", "AEST-10AEDT,M10.1.0,M4.1.0/3")

    /// Such as `2026-03-29T01:00Z`.
    static func time(_ text: String) -> Timestamp { WrittenTime.wholeSeconds(text.replacingOccurrences(of: "Z", with: ":00Z")) ?? Timestamp(milliseconds: 0) }
}

@Suite struct TimeZoneTests {
    @Test(arguments: [
        (Zones.berlin, "2026-01-15T12:00Z", 3600), (Zones.berlin, "2026-07-15T12:00Z", 7200),
        (Zones.berlin, "2026-03-29T00:59Z", 3600), (Zones.berlin, "2026-03-29T01:00Z", 7200),
        (Zones.berlin, "2026-10-25T00:59Z", 7200), (Zones.berlin, "2026-10-25T01:00Z", 3600), (Zones.berlin, "2124-03-26T01:00Z", 7200),
        (Zones.newYork, "2026-03-08T06:59Z", -18_000), (Zones.newYork, "2026-03-08T07:00Z", -14_400),
        (Zones.newYork, "2026-11-01T05:59Z", -14_400), (Zones.newYork, "2026-11-01T06:00Z", -18_000), (Zones.newYork, "2026-12-31T23:59Z", -18_000),
        (Zones.kolkata, "2026-03-29T01:00Z", 19_800),
        (Zones.sydney, "2026-01-01T00:00Z", 39_600), (Zones.sydney, "2026-04-04T15:59Z", 39_600), (Zones.sydney, "2026-04-04T16:00Z", 36_000),
        (Zones.sydney, "2026-10-03T15:59Z", 36_000), (Zones.sydney, "2026-10-03T16:00Z", 39_600), (Zones.sydney, "2026-12-31T23:00Z", 39_600),
        (Zones.zone("J", "AAA0BBB,J60/0,J61/0"), "2024-03-01T00:00Z", 3600), (Zones.zone("n", "AAA0BBB,59/0,60/0"), "2024-02-29T12:00Z", 3600),
        (Zones.zone("Nuuk", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0"), "2026-03-29T01:00Z", -3600),
        (Zones.zone("Nuuk", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0"), "2026-03-29T00:59Z", -7200), (TimeZoneRules.utc, "2026-03-29T01:00Z", 0),
    ])
    func theRuleAtTheEndOfAFileHoldsForEver(zone: TimeZoneRules, time: String, offset: Int64) {
        #expect(zone.offset(at: Zones.time(time).milliseconds / 1000) == offset)
    }

    /// Foundation has ICU in tests, and another copy of the same facts.
    @Test(arguments: ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "America/St_Johns", "Europe/Dublin", "Pacific/Auckland"])
    func theMachinesFilesAreReadAsFoundationReadsThem(name: String) throws {
        guard let data = FileManager.default.contents(atPath: "/usr/share/zoneinfo/\(name)") else { return }
        let zone = try #require(TimeZoneRules(name: name, file: Array(data)))
        let known = try #require(TimeZone(identifier: name))
        var random = SplitMix(seed: 7)
        for _ in 0..<2000 {
            // From 1975 to 2037, where every program has the same.
            let seconds = Int64(random.below(1_950_000_000)) + 160_000_000
            #expect(zone.offset(at: seconds) == Int64(known.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds)))), "\(seconds)")
        }
    }

    @Test(arguments: [
        "", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET", "C-1", "CET-1x", "CET-200",
        "CET-1CEST,M3.5.0,M10.5.0/3,", "<CET-1", "CET-1CEST,J0,J1", "CET-1CEST,366,1",
    ])
    func anotherRuleIsRefused(footer: String) {
        #expect((TimeZoneRules(name: "x", file: Zones.file(footer)) == nil) == !footer.isEmpty)
    }

    /// Every shorter file, and every file with one byte changed, is read or refused, and no reading goes past its end.
    @Test func brokenFilesAreRefusedOrRead() {
        let file = Zones.file("CET-1CEST,M3.5.0,M10.5.0/3")
        for length in 0..<file.count { #expect(TimeZoneRules(name: "x", file: Array(file.prefix(length))) == nil) }
        for index in file.indices {
            for value in [0, 1, 0x7F, 0x80, 0xFF] as [UInt8] {
                var broken = file
                broken[index] = value
                _ = TimeZoneRules(name: "x", file: broken)?.offset(at: 1_764_000_000)
            }
        }
    }

    @Test func aClockThatIsWrongIsNoReasonToEnd() {
        for seconds in [Int64.min / 1000, -1, 0, Int64.max / 1000] { #expect([3600, 7200].contains(Zones.berlin.offset(at: seconds))) }
    }
}
