import Fleet
import Foundation
import Settings
import TestBench
import Testing

@testable import autogitd

@Suite struct HostLinksTests {
    /// As GNU's, busybox's and BSD's df write it with -P -k.
    @Test(arguments: [
        (
            "Filesystem     1024-blocks     Used Available Capacity Mounted on\n/dev/sda1        102400000 51200000  46080000      53% /\n", 46_080_000,
            102_400_000
        ),
        ("Filesystem           1024-blocks    Used Available Capacity Mounted on\noverlay 1000 400 600 40% /var/lib/my containers\n", 600, 1000),
        ("Filesystem 1024-blocks Used Available Capacity Mounted on\n//nas/my share 2000 0 2000 0% /mnt\n", 2000, 2000),
    ])
    func aDisksRoomIsReadAsPOSIXHasIt(output: String, free: Int64, total: Int64) {
        #expect(HostLinks.space(Array(output.utf8)) == DiskSpace(free: free << 10, total: total << 10))
    }

    @Test(arguments: [
        "", "df: /x: No such file or directory\n", "Filesystem\n", "a\nb c d\n", "a\n1 2 3 50%\n", "h\n/dev/x -5 0 -5 0% /\n",
        "h\n/dev/x 9999999999999999999 0 1 0% /\n",
        "h\n/dev/x 9223372036854775807 0 9223372036854775807 0% /\n", "h\n% % % % % %\n",
    ])
    func whatIsNotThatIsNoDisk(output: String) { #expect(HostLinks.space(Array(output.utf8)) == nil) }

    /// The namespace's own account may make no pods as a rule.
    @Test(arguments: [
        ("", true), ("executor = \"shell\"", false), ("hosts = [\"local\"]", false), ("[pool.kubernetes]\nservice_account = \"gitlab-runner\"", false),
        ("[pool.kubernetes]\npod_template = '{\"spec\": {\"serviceAccountName\": \"x\"}}'", false), ("[pool.kubernetes]\npod_template = '{}'", true),
    ])
    func runnersThatMakePodsAreToldToHaveAnAccount(lines: String, isTold: Bool) throws {
        let scratch = try ScratchFolder("links")
        #expect(FileManager.default.createFile(atPath: "\(scratch.path)/token", contents: Data("x".utf8), attributes: [.posixPermissions: 0o600]))
        let hosts = "[[host]]\nname = \"local\"\n[[host]]\nname = \"home\"\nengine = \"kubernetes\"\n"
        let text = "[gitlab]\nurl = \"http://h\"\ntoken_file = \"\(scratch.path)/token\"\n\(hosts)[[pool]]\nname = \"p\"\ntags = [\"a\"]\n\(lines)\n"
        let settings = try Settings.parse(text, file: "f", environment: SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil))
        let told = HostLinks.warnings(for: settings).filter { $0.contains("service_account in [pool.kubernetes]") }
        #expect(told.count == (isTold ? 1 : 0) && told.allSatisfy { $0.hasPrefix("runners of the pool p make pods for their jobs on home as") }, "\(told)")
    }
}
