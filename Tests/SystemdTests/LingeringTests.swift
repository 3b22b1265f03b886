import Foundation
import TestBench
import Testing

@testable import Systemd

@Suite struct LingeringTests {
    @Test(arguments: ["root", "0"])
    func usersAreFoundByNameAndByNumber(_ word: String) { #expect(UserRecord.find(word) == UserRecord(name: "root", uid: 0)) }

    @Test(arguments: ["nobody-here", "4294967294", "", "-1", "0x0"])
    func aUserThatDoesNotExistIsNone(_ word: String) { #expect(UserRecord.find(word) == nil) }

    @Test func aFileWithTheUsersNameSaysSo() throws {
        let scratch = try ScratchFolder("linger")
        let lingering = Lingering(of: UserRecord(name: "homelab", uid: 1000), folder: scratch.path)
        #expect(lingering.isOff)
        #expect(FileManager.default.createFile(atPath: "\(scratch.path)/homelab", contents: nil))
        #expect(!lingering.isOff)
        #expect(lingering.advice.contains("loginctl enable-linger homelab"))
    }

    @Test func whatCannotBeReadProvesNothing() throws {
        let scratch = try ScratchFolder("linger")
        #expect(FileManager.default.createFile(atPath: "\(scratch.path)/file", contents: nil))
        let user = UserRecord(name: "homelab", uid: 1000)
        #expect(!Lingering(of: user, folder: "\(scratch.path)/file").isOff)
        #expect(Lingering(of: user, folder: "\(scratch.path)/missing").isOff)
    }
}
