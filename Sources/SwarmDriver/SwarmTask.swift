import ContainerDriver
import Fleet

/// A service's one run of its container, as the swarm sees it from a manager.
struct SwarmTask: Decodable {
    /// The label of tasks' containers with the id of this AutoGit.
    static let instanceLabel = "autogit.swarm.instance"
    /// The label of tasks' containers with the id of the runner.
    static let runnerLabel = "autogit.swarm.runner"

    struct Progress: Decodable {
        struct Container: Decodable {
            var PID: Int?
            var ExitCode: Int?
        }
        var State: String
        var Message: String?
        var Err: String?
        var ContainerStatus: Container?
    }
    struct Content: Decodable {
        struct Container: Decodable { var Labels: [String: String]? }
        var ContainerSpec: Container?
    }

    var ID: String
    /// Empty, or absent, as long as no node has it.
    var NodeID: String?
    var Status: Progress
    var DesiredState: String?
    var Spec: Content?

    /// The runner that it is of; nil for one that isn't ours.
    var runner: RunnerID? { Spec?.ContainerSpec?.Labels?[Self.runnerLabel] }
    /// Some node has been told to run it. One that none ever had is what a stop leaves in its place, and never runs.
    var isPlaced: Bool { NodeID?.isEmpty == false }

    /// What can be known of it.
    enum Outcome: Equatable {
        /// Not running yet; with what the swarm says of that.
        case waiting(String?)
        case running
        /// Its node is gone for longer than AutoGit waits for one.
        case lost
        /// nil: the code was lost with its container.
        case ended(Int?)
    }

    /// - Parameter isLost: of the node that has it.
    func outcome(isLost: Bool) -> Outcome {
        switch Status.State {
        case "complete", "failed", "rejected", "shutdown", "orphaned": .ended(exitCode)
        case _ where isLost: .lost
        case "running": .running
        default: .waiting(complaint)
        }
    }

    /// What kept it from running; nil where nothing is told.
    var complaint: String? { Status.Err.flatMap { $0.isEmpty ? nil : $0 } }

    /// An engine that was restarted says 0 of a container that it doesn't find any more, and keeps the process's number.
    private var exitCode: Int? {
        guard let container = Status.ContainerStatus, container.PID ?? 0 == 0, let code = container.ExitCode else { return nil }
        if Status.State == "failed", code == 0 || complaint?.contains("No such container") == true { return nil }
        return code
    }
}

/// A service as the swarm lists it.
struct SwarmService: Decodable {
    struct Edition: Decodable { var Index: Int }
    var ID: String
    var Version: Edition
    var Spec: ServiceSpec
}

/// A file of a runner that the swarm keeps.
struct SwarmSecret: Decodable {
    struct Content: Decodable {
        var Name: String
        var Labels: [String: String]?
    }
    var ID: String
    var Spec: Content
}

/// A machine of the swarm, as its managers see it.
struct SwarmNode: Decodable {
    struct Machine: Decodable {
        struct Kind: Decodable {
            var Architecture: String?
            var OS: String?
        }
        struct Sizes: Decodable {
            var NanoCPUs: Int64?
            var MemoryBytes: Int64?
            var GenericResources: [Generic]?
        }
        struct Generic: Decodable {
            struct Named: Decodable {
                var Kind: String
                var Value: String
            }
            struct Discrete: Decodable {
                var Kind: String
                var Value: Int
            }
            var NamedResourceSpec: Named?
            var DiscreteResourceSpec: Discrete?
        }
        var Hostname: String?
        var Platform: Kind?
        var Resources: Sizes?
    }
    struct Use: Decodable { var Availability: String? }
    struct Presence: Decodable {
        var State: String?
        var Message: String?
    }
    var ID: String
    var Description: Machine?
    var Spec: Use?
    var Status: Presence?

    var name: String { Description?.Hostname ?? ID }
    var isReady: Bool { Status?.State == "ready" }
    var architecture: Architecture? { (Description?.Platform?.Architecture).flatMap { Architecture(named: $0) } }
}

/// How long nodes have been away, as far as this process has looked.
struct NodeWatch {
    private var awaySince: [String: Timestamp] = [:]
    private(set) var names: [String: String] = [:]
    private var drained: Set<String> = []

    mutating func saw(_ nodes: [SwarmNode], at now: Timestamp) {
        drained = Set(nodes.filter { $0.Spec?.Availability ?? "active" != "active" }.map(\.ID))
        let ready = Set(nodes.filter(\.isReady).map(\.ID))
        names = Dictionary(nodes.map { ($0.ID, $0.name) }) { first, _ in first }
        awaySince = Dictionary(
            uniqueKeysWithValues: names.keys.filter { !ready.contains($0) }.map { ($0, awaySince[$0] ?? now) })
    }

    func isReady(_ node: String) -> Bool { names[node] != nil && awaySince[node] == nil }
    func takesTasks(_ node: String) -> Bool { isReady(node) && !drained.contains(node) }

    /// A node that was taken out of the swarm does not come back.
    func isLost(_ node: String, after: Duration?, at now: Timestamp) -> Bool {
        if names[node] == nil { return true }
        guard let since = awaySince[node], let after else { return false }
        return now >= since + after
    }
}
