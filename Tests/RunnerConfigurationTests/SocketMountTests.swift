import Foundation
import Testing

@testable import RunnerConfiguration

/// Which of the engine's files a runner gets, and when it is the wrong one.
@Suite struct SocketMountTests {
    /// A folder of the test's own with a file in place of a socket.
    private func inFolder(_ body: (_ folder: String, _ socket: String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "autogit-socket-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try make("\(folder)/e.sock")
        try body(folder, "\(folder)/e.sock")
    }

    private func make(_ path: String) throws { try Data().write(to: URL(fileURLWithPath: path)) }

    /// As engines do: another file of the same name, made at another time.
    private func remake(_ path: String) throws {
        try FileManager.default.removeItem(atPath: path)
        try make(path)
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: path)
    }

    @Test func aFolderOfItsOwnIsGivenAndAnotherSocketInItIsFound() throws {
        try inFolder { folder, socket in
            let mount = try #require(SocketMount(socket))
            #expect(mount.isFolder && mount.source == folder && mount.destination(in: "/d") == "/d")
            #expect(SocketMount.path(of: socket, in: "/d") == "/d/e.sock")
            try remake(socket)
            #expect(SocketMount.leads(mount.identity, to: socket))
        }
    }

    @Test func besideAnythingElseOnlyTheSocketIsGivenAndAnotherIsNotFound() throws {
        try inFolder { folder, socket in
            try make("\(folder)/secret")
            let mount = try #require(SocketMount(socket))
            #expect(!mount.isFolder && mount.source == socket && mount.destination(in: "/d") == "/d/e.sock")
            #expect(SocketMount.leads(mount.identity, to: socket))
            try remake(socket)
            #expect(!SocketMount.leads(mount.identity, to: socket))
        }
    }

    @Test func anotherFolderIsAnotherMount() throws {
        try inFolder { folder, socket in
            let mount = try #require(SocketMount(socket))
            try FileManager.default.moveItem(atPath: folder, toPath: folder + "-before")
            defer { try? FileManager.default.removeItem(atPath: folder + "-before") }
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try make(socket)
            #expect(!SocketMount.leads(mount.identity, to: socket))
        }
    }

    /// The engine is just being restarted, or its socket is out of our sight: nothing can be said.
    @Test func whereThereIsNoSocketNothingIsGivenAndNothingIsCutOff() throws {
        try inFolder { _, socket in
            let mount = try #require(SocketMount(socket))
            try FileManager.default.removeItem(atPath: socket)
            #expect(SocketMount(socket) == nil && SocketMount.leads(mount.identity, to: socket))
        }
    }
}
