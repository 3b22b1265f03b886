import Foundation
import Settings
import TestBench
import Testing

@testable import autogitd

/// The two outputs of `autogitd --check`.
@Suite struct UnderstoodTests {
    private let understood: Understood
    private let scratch: ScratchFolder

    init() throws {
        scratch = try ScratchFolder("understood")
        #expect(
            FileManager.default.createFile(atPath: "\(scratch.path)/token", contents: Data("glpat-secret".utf8), attributes: [.posixPermissions: 0o600]))
        let settings = try Settings.parse(
            """
            [gitlab]
            url = "http://h"
            name = "main"
            token_file = "\(scratch.path)/token"
            [[pool]]
            name = "c"
            tags = ["a", "b"]
            env = { PASSWORD = "env-secret" }
            [[pool]]
            name = "s"
            run_untagged = true
            driver = "scope"
            cooldown = "90s"
            """, file: "f", environment: SettingsEnvironment(machineMemory: 10 << 30, credentialsDirectory: nil))
        understood = Understood(settings, warnings: ["a warning"])
    }

    private func pools() throws -> [[String: Any]] {
        let document = try #require(try JSONSerialization.jsonObject(with: Data(try understood.json().utf8)) as? [String: Any])
        #expect(document["valid"] as? Bool == true && document["gitlab_name"] as? String == "main")
        return try #require(document["pools"] as? [[String: Any]])
    }

    @Test func noSecretIsPrinted() throws {
        for text in [understood.description, try understood.json()] {
            #expect(text.contains("PASSWORD") && !text.contains("env-secret") && !text.contains("glpat"), "\(text)")
        }
    }

    /// Scripts read these.
    @Test func aPoolsKeysAreTheFilesWithUnits() throws {
        let pools = try pools()
        for key in ["name", "driver", "tags", "run_untagged", "cpus", "memory_bytes", "max_runners", "warm", "cooldown", "max_jobs"] {
            #expect(pools.allSatisfy { $0[key] != nil }, "\(key)")
        }
        #expect(pools[0]["memory_bytes"] as? Int == 2 << 30 && pools[1]["cooldown"] as? Double == 90)
    }

    @Test func keysOfContainersAreAbsentInScopes() throws {
        let pools = try pools()
        #expect(pools[0]["image"] as? String == "docker.io/gitlab/gitlab-runner:alpine" && pools[1]["image"] == nil && pools[1]["mounts"] == nil)
        let line = try #require(understood.description.split(separator: "\n").first { $0.hasPrefix("pool      s: ") })
        #expect(line.contains("driver scope") && line.contains("cooldown 1m30s") && !line.contains("image"))
    }

    @Test func warningsComeLast() { #expect(understood.description.hasSuffix("\nwarning   a warning")) }
}
