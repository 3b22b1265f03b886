import Foundation
import Testing

/// The simulation takes over Swift's scheduling for its whole process, so it runs in processes of its own.
@Suite struct SimulationTests {
    private func run(_ arguments: [String]) throws -> (code: Int32, output: String) {
        let program = try #require(Bundle.main.executableURL?.deletingLastPathComponent().appending(path: "autogit-simulate"))
        let beside = FileManager.default.fileExists(atPath: program.path) ? program : Self.root.appending(path: ".build/debug/autogit-simulate")
        let process = Process()
        process.executableURL = beside
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test func whatUsersReportedDoesNotHappen() throws {
        let (code, output) = try run(["--scenarios", "yes"])
        #expect(code == 0, "\(output)")
    }

    @Test func randomSeedsHoldTheRules() throws {
        let (code, output) = try run(["--seeds", "300"])
        #expect(code == 0, "\(output)")
    }
}
