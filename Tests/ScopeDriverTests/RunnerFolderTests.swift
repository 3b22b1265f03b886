import Foundation
import Systemd
import Testing

@testable import ScopeDriver

@Suite struct RunnerFolderTests {
    /// Whatever a job did to its own folders; what it links to is not its own.
    @Test func aTreeWithoutPermissionsGoesAndLinkedFilesStay() throws {
        let manager = FileManager.default
        let base = NSTemporaryDirectory() + "autogit-folder-\(UUID().uuidString)"
        defer { try? manager.removeItem(atPath: base) }
        try manager.createDirectory(atPath: "\(base)/runner/work/deep/er", withIntermediateDirectories: true)
        try manager.createDirectory(atPath: "\(base)/others", withIntermediateDirectories: true)
        #expect(manager.createFile(atPath: "\(base)/others/file", contents: nil))
        try manager.createSymbolicLink(atPath: "\(base)/runner/work/link", withDestinationPath: "\(base)/others")
        chmod("\(base)/others", 0o500)
        chmod("\(base)/runner/work/deep", 0o000)
        try RunnerFolder.remove("\(base)/runner")
        #expect(!manager.fileExists(atPath: "\(base)/runner"))
        #expect(manager.fileExists(atPath: "\(base)/others/file"))
        var about = stat()
        #expect(stat("\(base)/others", &about) == 0 && about.st_mode & 0o777 == 0o500)
        // Done twice it is no error.
        try RunnerFolder.remove("\(base)/runner")
    }

    @Test func onlyABusThatCannotBeAskedIsAnOutage() async {
        let driver = ScopeDriver(
            manager: UnitManager(address: "unix:path=/nonexistent/bus"), stateDirectory: "/nonexistent", instance: "i",
            engine: JobEngineDouble("/nonexistent/e.sock"))
        let unknown = await #expect(throws: ScopeError.self) { try await driver.signal("abcd2345", "SIGFOO") }
        #expect(unknown?.isOutage == false && unknown?.description.contains("SIGFOO") == true)
        let away = await #expect(throws: BusError.self) { try await driver.signal("abcd2345", "SIGQUIT") }
        #expect(away?.isOutage == true)
    }
}
