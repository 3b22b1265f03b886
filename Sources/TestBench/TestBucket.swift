import FakeGitLab
import Foundation
import HTTPTransfer

/// A bucket on an S3 server of our own (`scripts/test-s3`), which checks signatures as AWS does.
public struct TestBucket: Sendable {
    /// Its name.
    public static let name = "ci-cache"
    /// What requests are signed with.
    public let accessKey: String
    /// The one of the two that is a secret in a strict sense.
    public let secretKey: String
    /// The server's port, on all addresses of this machine.
    public let port: Int
    /// Holds the files `access-key` and `secret-key`, and the objects.
    public let directory: String
    private let child: Child

    /// - Parameter program: the path of `scripts/test-s3`.
    /// - Throws: when it does not answer within ten seconds.
    public static func start(program: String) async throws -> TestBucket {
        let directory = "/var/tmp/autogit-bucket-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: "\(directory)/objects", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // With the characters that keys have and URLs don't.
        let (accessKey, secretKey) = ("AKIA\(UInt32.random(in: 0 ... .max))", "very/s3cret+\(UInt64.random(in: 0 ... .max))")
        for (file, text) in [("access-key", accessKey), ("secret-key", secretKey)] {
            try text.write(toFile: "\(directory)/\(file)", atomically: false, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: "\(directory)/\(file)")
        }
        let port = try freePort()
        let child = try await Child.start(
            program, ["0.0.0.0", "\(port)", name, "\(directory)/objects"],
            environment: ["AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey], log: "\(directory)/log")
        let bucket = TestBucket(accessKey: accessKey, secretKey: secretKey, port: port, directory: directory, child: child)
        for attempt in 0... {
            let answer = try? await HTTPClient().send(HTTPRequest("GET", "http://127.0.0.1:\(port)/", timeout: .seconds(2)))
            if answer?.status == 200 { break }
            guard attempt < 200, child.isRunning else { throw Command.Failed(description: "the S3 server does not answer; see \(directory)/log") }
            try await Task.sleep(for: .milliseconds(50))
        }
        return bucket
    }

    private init(accessKey: String, secretKey: String, port: Int, directory: String, child: Child) {
        (self.accessKey, self.secretKey) = (accessKey, secretKey)
        (self.port, self.directory, self.child) = (port, directory, child)
    }

    /// The keys of its objects.
    public var objects: [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: "\(directory)/objects")) ?? []
        return files.compactMap(\.removingPercentEncoding).sorted()
    }

    /// Ends it and removes what it has.
    public func stop() async {
        // Python keeps the blocked signals of the thread that it was started from.
        await child.stop(SIGKILL)
        try? FileManager.default.removeItem(atPath: directory)
    }
}
