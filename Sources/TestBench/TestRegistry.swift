import ContainerDriver
import FakeGitLab
import Foundation
import HTTPTransfer

/// A real registry of images on loopback (Debian's docker-registry), with a login, in a folder of its own.
public struct TestRegistry: Sendable {
    /// `127.0.0.1:PORT`.
    public let address: String
    /// The one account that it knows.
    public static let username = "puller"
    /// That account's password; it has a colon, as passwords may.
    public static let password = "reg-pa:ss"
    private static let bcrypt = "$2b$10$p8h741RmCO.0dJqS4PoTwO.mCB3jHM61EcrVfa3eY0pxYGsHwKxNW"
    private let directory: String
    private let child: Child

    /// Where `scripts/bootstrap` unpacks it: as a package it would be a service of this machine.
    public static let program = ["/usr/bin/docker-registry", "/var/tmp/autogit-tools/usr/bin/docker-registry"]
        .first { FileManager.default.fileExists(atPath: $0) }

    /// - Throws: when the program is missing, or does not answer within ten seconds.
    public static func start() async throws -> TestRegistry {
        guard let program else { throw Command.Failed(description: "docker-registry is missing: run scripts/bootstrap") }
        let directory = "/var/tmp/autogit-registry-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let address = "127.0.0.1:\(try freePort())"
        try "\(username):\(bcrypt)\n".write(toFile: "\(directory)/htpasswd", atomically: false, encoding: .utf8)
        try """
        version: 0.1
        log: {level: warn}
        storage:
          filesystem: {rootdirectory: \(directory)/data}
        http: {addr: "\(address)", secret: test}
        auth:
          htpasswd: {realm: test, path: \(directory)/htpasswd}

        """.write(toFile: "\(directory)/config.yml", atomically: false, encoding: .utf8)
        let child = try await Child.start(program, ["serve", "\(directory)/config.yml"], log: "\(directory)/log")
        let registry = TestRegistry(address: address, directory: directory, child: child)
        for attempt in 0... {
            if let answer = try? await HTTPClient().send(HTTPRequest("GET", "http://\(address)/v2/", timeout: .seconds(2))), answer.status == 401 { break }
            guard attempt < 200, child.isRunning else { throw Command.Failed(description: "the registry does not answer; see \(directory)/log") }
            try await Task.sleep(for: .milliseconds(50))
        }
        return registry
    }

    /// Puts an image of an engine into it, and takes the name that it gets there from the engine.
    /// - Returns: its name, `127.0.0.1:PORT/PATH:TAG`.
    @discardableResult
    public func push(_ image: String, from engine: Engine, as path: String, tag: String = "1") async throws -> String {
        let name = "\(address)/\(path)"
        try await engine.call("POST", "/images/\(percentEncoded(image))/tag?repo=\(percentEncoded(name))&tag=\(tag)")
        let login = Data("{\"username\":\"\(Self.username)\",\"password\":\"\(Self.password)\",\"serveraddress\":\"\(address)\"}".utf8)
        let answer = try await engine.stream(
            "POST", "/images/\(percentEncoded(name))/push?tag=\(tag)", headers: [("X-Registry-Auth", login.base64EncodedString())])
        var said: [UInt8] = []
        for try await chunk in answer { said += chunk }
        try await engine.call("DELETE", "/images/\(percentEncoded("\(name):\(tag)"))")
        let text = String(decoding: said, as: UTF8.self)
        guard !text.contains("\"error\"") else { throw Command.Failed(description: "the registry did not take \(name): \(text)") }
        return "\(name):\(tag)"
    }

    /// Ends it and removes what it has.
    public func stop() async {
        await child.stop()
        try? FileManager.default.removeItem(atPath: directory)
    }
}
