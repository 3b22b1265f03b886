import Fleet
import Foundation
import GRDB
import TestBench
import Testing

@testable import Store

@Suite struct KeptLogsTests {
    private let scratch: ScratchFolder
    private var path: String { "\(scratch.path)/autogit.db" }
    private let now = Timestamp(milliseconds: 1_764_000_000_123)

    init() throws { scratch = try ScratchFolder("kept-logs") }

    private func log(_ runner: RunnerID, _ text: String, at time: Timestamp? = nil) -> KeptLog {
        KeptLog(runner: runner, at: time ?? now, output: Array(text.utf8))
    }
    private func kept(_ store: SQLiteStore) async throws -> [RunnerID] { try await store.keptLogs(of: nil).map(\.runner) }

    @Test func aLogIsThereAfterReopeningAndSmallOnDisk() async throws {
        var runner = Runner(id: "one", pool: Pool(name: "p"), launchedFor: nil, at: now)
        runner.reason = "exited with code 1"
        let long = log("one", String(repeating: "the same words, again and again\n", count: 8000))
        let first = try SQLiteStore(path: path)
        try await first.save([.runner(runner)])
        try await first.keep(long)
        try await first.keep(log("two", "Ümläut and \u{1b}[31mcolour\n"))
        let store = try SQLiteStore(path: path)
        #expect(try await store.keptLog(of: "one") == long)
        #expect(try await store.keptLog(of: "two") == log("two", "Ümläut and \u{1b}[31mcolour\n"))
        #expect(try await store.keptLog(of: "three") == nil)
        let entries = [
            KeptLog.Entry(runner: "two", at: now, bytes: "Ümläut and \u{1b}[31mcolour\n".utf8.count, pool: nil, reason: nil),
            KeptLog.Entry(runner: "one", at: now, bytes: long.output.count, pool: "p", reason: "exited with code 1"),
        ]
        #expect(try await store.keptLogs(of: nil) == entries)
        #expect(try await store.keptLogs(of: "one") == [entries[1]])
        #expect(try await store.keptLogs(of: "three") == [])
        let size = try await DatabaseQueue(path: path).read { try Int.fetchOne($0, sql: "SELECT sum(length(gzip)) FROM runner_logs") }
        #expect(try #require(size) < 4096)
    }

    /// Without us, as the schema says.
    @Test func zcatReadsWhatIsInTheDatabase() async throws {
        try await SQLiteStore(path: path).keep(log("one", "its last words\n"))
        let gzip = try await DatabaseQueue(path: path).read { try Data.fetchOne($0, sql: "SELECT gzip FROM runner_logs") }
        try #require(gzip).write(to: URL(fileURLWithPath: "\(scratch.path)/log.gz"))
        #expect(try await run("/usr/bin/zcat", ["\(scratch.path)/log.gz"]).out == "its last words\n")
    }

    @Test func aSecondLogOfARunnerReplacesTheFirstAndIsTheNewest() async throws {
        let store = try SQLiteStore(path: path)
        for (runner, text) in [("one", "a"), ("two", "b"), ("one", "c")] { try await store.keep(log(runner, text)) }
        #expect(try await kept(store) == ["one", "two"])
        #expect(try await store.keptLog(of: "one")?.output == Array("c".utf8))
    }

    /// The oldest go first: those that came first, also when the clock was set back in between.
    @Test func theirNumberIsBounded() async throws {
        let store = try SQLiteStore(path: path)
        for number in 1...5 { try await store.keep(log("r\(number)", "x", at: now + .seconds(Int64(-number))), mostLogs: 3, mostBytes: 1 << 20) }
        #expect(try await kept(store) == ["r5", "r4", "r3"])
        // As after a VACUUM.
        try await store.forget(before: now + .seconds(-86_400))
        try await store.keep(log("r6", "x"), mostLogs: 3, mostBytes: 1 << 20)
        #expect(try await kept(store) == ["r6", "r5", "r4"])
    }

    @Test func theirBytesAreBounded() async throws {
        let store = try SQLiteStore(path: path)
        var random = SystemRandomNumberGenerator()
        // Letters of base64: they hardly get smaller.
        for number in 1...5 {
            let text = Data((0..<7500).map { _ in UInt8.random(in: 0 ... .max, using: &random) }).base64EncodedString()
            try await store.keep(log("r\(number)", text), mostLogs: 100, mostBytes: 25_000)
        }
        #expect(try await kept(store) == ["r5", "r4", "r3"])
    }

    @Test func oldOnesAreForgotten() async throws {
        let store = try SQLiteStore(path: path)
        try await store.keep(log("old", "x", at: now))
        try await store.keep(log("new", "x", at: now + .seconds(100)))
        try await store.forget(before: now + .seconds(50))
        #expect(try await kept(store) == ["new"])
    }

    /// It is no part of the changes that are written again and again, so that it keeps no other from the disk.
    @Test func oneThatCannotBeWrittenIsAnErrorAndNothingElse() async throws {
        let store = try SQLiteStore(path: path)
        try await DatabaseQueue(path: path).write { try $0.execute(sql: "ALTER TABLE runner_logs RENAME TO away") }
        await #expect(throws: (any Error).self) { try await store.keep(log("one", "x")) }
        try await store.save([.pool(name: "p", paused: true)])
        #expect(try await store.load().pausedPools == ["p"])
    }

    @Test func aDamagedRowIsAnErrorOfItsOwn() async throws {
        let store = try SQLiteStore(path: path)
        try await store.keep(log("one", String(repeating: "words ", count: 100)))
        for damage in ["substr(gzip, 1, length(gzip) / 2)", "zeroblob(20)", "x''"] {
            try await store.keep(log("two", String(repeating: "words ", count: 100)))
            try await DatabaseQueue(path: path).write { try $0.execute(sql: "UPDATE runner_logs SET gzip = \(damage) WHERE runner = 'two'") }
            await #expect(throws: (any Error).self, "\(damage)") { try await store.keptLog(of: "two") }
        }
        #expect(try await store.keptLog(of: "one") != nil)
    }

    /// An upgrade keeps what is there, and an older daemon that comes back does not mind the new table.
    @Test func aDatabaseFromBeforeGetsTheTable() async throws {
        let old = try DatabaseQueue(path: path)
        try Schema.migrator(gitlab: "").migrate(old, upTo: "4: executors")
        try await old.write { db in
            try db.execute(
                sql: """
                    INSERT INTO runners (id, name, pool, status, phase, jobs_done, cpus, memory, requested_at, last_seen, failed)
                    VALUES ('abc', 'n', 'p', 'idle', 'ready', 0, 1, 1, '2026-11-24T09:10:00.102Z', '2026-11-24T09:10:00.102Z', 0)
                    """)
        }
        try old.close()
        let store = try SQLiteStore(path: path)
        #expect(store.upgradedFrom == 4 && FileManager.default.fileExists(atPath: path + ".before-5"))
        #expect(try await store.load().runners.map(\.id) == ["abc"])
        try await store.keep(log("abc", "x"))
        #expect(try await store.keptLogs(of: nil).map(\.pool) == ["p"])
    }

    @Test func nothingIsCompressedToSomethingAndBack() throws {
        #expect(try Gzip.decompressed(try Gzip.compressed([]), most: 1) == [])
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        #expect(try Gzip.decompressed(try Gzip.compressed(bytes), most: bytes.count) == bytes)
        #expect(throws: Gzip.Failed.self) { try Gzip.decompressed(try Gzip.compressed(bytes), most: bytes.count - 1) }
    }
}
