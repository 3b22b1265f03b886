import Foundation
import Settings
import Systemd
import TestBench
import Testing

@testable import autogitd

/// What `autogitd --check` says of files that root can read and the service can't.
@Suite struct FileReaderTests {
    private static let reader = FileReader(user: UserRecord(name: "homelab", uid: 1000), groups: [1000, 998])

    @Test(
        arguments: [
            (0o600, 1000, 0, true), (0o600, 0, 998, false), (0o640, 0, 998, true), (0o640, 0, 0, false), (0o644, 0, 0, true),
            // The first part that fits is the only one that counts.
            (0o044, 1000, 998, false), (0o604, 0, 998, false),
        ] as [(UInt32, UInt32, UInt32, Bool)])
    func oneOfTheModesPartsCounts(mode: UInt32, owner: UInt32, group: UInt32, may: Bool) {
        #expect(Self.reader.has(0o4, mode, owner: owner, group: group) == may)
        // The same of a folder.
        #expect(Self.reader.has(0o1, mode >> 2, owner: owner, group: group) == may)
    }

    @Test func theGroupsOfTheUnitCount() {
        #expect(FileReader.groupNames(inUnit: "Group=\nSupplementaryGroups=autogit systemd-journal\n") == ["autogit", "systemd-journal"])
        #expect(FileReader.groupNames(inUnit: "Group=users\nSupplementaryGroups=\n") == ["users"])
        #expect(FileReader.numbers(ofGroups: "autogit:x:998:homelab\nsystemd-journal:x:999:\nnonsense\n") == [998, 999])
    }

    /// A key of root's, mode 0600, passes a check by root, and then the daemon ends with 78.
    @Test func aFileOfAnotherUserIsToldOnce() throws {
        let scratch = try ScratchFolder("reader")
        let key = "\(scratch.path)/key.pem"
        #expect(FileManager.default.createFile(atPath: key, contents: Data("x".utf8), attributes: [.posixPermissions: 0o600]))
        let files = [ServiceFile(key: "host[0].tls_key", path: key), ServiceFile(key: "host[1].tls_key", path: key)]
        func warnings(_ uid: UInt32) -> [String] { FileReader(user: UserRecord(name: "homelab", uid: uid), groups: []).warnings(for: files) }
        #expect(warnings(getuid()).isEmpty)
        let told = warnings(getuid() + 1)
        #expect(told.count == 1 && told.allSatisfy { $0.contains("the user homelab, who cannot read \(key) (host[0].tls_key)") }, "\(told)")
        let gone = FileReader(user: UserRecord(name: "homelab", uid: getuid() + 1), groups: [])
            .warnings(for: [ServiceFile(key: "host[0].tls_ca", path: "\(scratch.path)/none")])
        #expect(gone.isEmpty, "what is not there is an error of the file's own")
    }

    @Test func rootReadsEverything() throws {
        let scratch = try ScratchFolder("reader")
        #expect(FileManager.default.createFile(atPath: "\(scratch.path)/key.pem", contents: nil, attributes: [.posixPermissions: 0o400]))
        let root = FileReader(user: UserRecord(name: "root", uid: 0), groups: [])
        #expect(root.warnings(for: [ServiceFile(key: "host[0].tls_key", path: "\(scratch.path)/key.pem")]).isEmpty)
    }
}
