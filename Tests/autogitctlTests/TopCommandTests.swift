import ControlModel
import Foundation
import Testing

@testable import autogitctl

@Suite struct TopCommandTests {
    @Test func theCommandIsParsed() throws {
        let top = try #require(try Autogitctl.parseAsRoot(["top", "--socket", "/s", "--json"]) as? Top)
        #expect(top.common.socket == "/s" && top.common.json)
        #expect(throws: (any Error).self) { try Autogitctl.parseAsRoot(["top", "linux"]) }
    }

    /// The program on a real terminal (pty(7)), before a daemon that is a few lines of Python.
    @Test(.timeLimit(.minutes(3))) func itWorksOnATerminal() throws {
        let program = Bundle.main.executableURL?.deletingLastPathComponent().appending(path: "autogitctl").path ?? ""
        let built = FileManager.default.isExecutableFile(atPath: program) ? program : Self.besideTests
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "TopOnTerminal.py").path
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", script, built]
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text.suffix(4000))")
    }

    /// The folder of the tests' bundle, where they are run by a program of the toolchain's.
    private static var besideTests: String {
        let tests = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return URL(filePath: tests).deletingLastPathComponent().appending(path: "autogitctl").path
    }
}
