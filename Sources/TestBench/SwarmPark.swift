import FakeGitLab
import Foundation

/// A real swarm of three machines, each a process with a network of its own and dockerd in it, made by Tests/System/swarm.py. To be made by root.
public struct SwarmPark: Sendable {
    /// Of the nodes, the manager's first.
    public let engines: [TestEngine]
    /// This machine, as the nodes reach it.
    public let gateway: String
    private let script: String
    private let environment: [String]

    /// Debian's packages for it are there, and we may make networks.
    public static let isPossible = getuid() == 0 && TestEngine.isDockerInstalled && FileManager.default.fileExists(atPath: "/bin/busybox")

    /// Starts it, with nothing but its own images.
    /// - Parameters:
    ///   - script: the path of swarm.py.
    ///   - directory: for the nodes' files; removed at the end.
    /// - Throws: when something of it can't be made, with the script's words.
    public static func start(script: String, in directory: String) async throws -> SwarmPark {
        let subnet = "10.\(30 + Int(getpid()) % 90).\(Int(getpid()) / 90 % 250)"
        let environment = ["SWARM_DIRECTORY=\(directory)", "SWARM_PREFIX=as\(getpid())", "SWARM_SUBNET=\(subnet)"]
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let engines = (1...3).map { TestEngine(at: "\(directory)/node\($0)/docker.sock") }
        let park = SwarmPark(engines: engines, gateway: "\(subnet).2", script: script, environment: environment)
        try await park.call("up", "--meet")
        return park
    }

    private init(engines: [TestEngine], gateway: String, script: String, environment: [String]) {
        self.engines = engines
        self.gateway = gateway
        self.script = script
        self.environment = environment
    }

    private func call(_ words: String...) async throws {
        let ran = try await run("/usr/bin/env", environment + ["python3", script] + words)
        guard ran.exited, ran.code == 0 else { throw Command.Failed(description: "swarm.py \(words.joined(separator: " ")): \(ran.out)") }
    }

    /// A section `[[host]]` of a daemon's configuration. A node is lost after 30 s.
    public var settings: String {
        """
        [[host]]
        name = "swarm"
        engine = "swarm+unix://\(engines[0].socket)"
        runner_socket = "/run/docker.sock"
        lost_after = "30s"


        """
    }

    /// All that runs on it ends at once. Nodes count from 1, which is the manager.
    public func powerOff(_ node: Int) async throws { try await call("power-off", "\(node)") }
    public func powerOn(_ node: Int) async throws { try await call("power-on", "\(node)") }
    /// It reaches no other node, and none reaches it; what it reached of this machine neither.
    public func cut(_ node: Int) async throws { try await call("cut", "\(node)") }
    public func mend(_ node: Int) async throws { try await call("mend", "\(node)") }

    public func stop() async { try? await call("down") }
}
