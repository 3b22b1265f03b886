import Doctor
import FoundationEssentials
import HostTools
import Fleet

/// A machine that is well, and in which faults are planted.
struct MachineDouble: Machine {
    /// What `systemctl show` says of units; users' units have the user's name and a slash before theirs.
    var units: [String: [String: String]] = [
        "autogit.service": [
            "LoadState": "loaded", "ActiveState": "active", "Result": "success", "UnitFileState": "enabled", "ExecMainStatus": "0", "NRestarts": "0",
            "NeedDaemonReload": "no", "User": "1000",
        ],
        "autogit.socket": ["LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "Listen": "[::]:8080 (Stream)"],
        "autogit-control.socket": ["LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "Listen": "/run/autogit/control.sock (Stream)"],
        "user@1000.service": [
            "LoadState": "loaded", "ActiveState": "active", "UnitFileState": "static", "ControlGroup": "/user.slice/user-1000.slice/user@1000.service",
        ],
        "homelab/podman.socket": ["LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"],
    ]
    /// What `systemctl cat` says of the service.
    var unitText = "[Service]\nLoadCredential=gitlab-token:/etc/autogit/gitlab-token\nLoadCredential=webhook-secret:/etc/autogit/webhook-secret\n"
    var files: [String: FileLook] = [
        "/etc/autogit/gitlab-token": .text("glpat-of-this-test\n", mode: 0o600, owner: 0),
        "/var/lib/systemd/linger/homelab": .text("", mode: 0o644, owner: 0),
        "/sys/fs/cgroup/cgroup.controllers": .text("cpuset cpu io memory pids\n", mode: 0o444, owner: 0),
        "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers": .text("cpu memory pids\n", mode: 0o444, owner: 0),
        "/etc/subuid": .text("homelab:100000:65536\n", mode: 0o644, owner: 0),
        "/etc/subgid": .text("homelab:100000:65536\n", mode: 0o644, owner: 0),
        "/dev/net/tun": .other(mode: 0o666, owner: 0),
        "/proc/sys/user/max_user_namespaces": .text("63000\n", mode: 0o644, owner: 0),
        "/usr/bin/slirp4netns": .text("", mode: 0o755, owner: 0),
        "/usr/lib/podman/netavark": .text("", mode: 0o755, owner: 0),
    ]
    var programs: [String: ProgramRun] = [
        "systemd-detect-virt": .ended(1, output: "none\n", errors: ""),
        "timedatectl": .ended(0, output: "yes\n", errors: ""),
        "newuidmap": .ended(1, output: "", errors: "usage"),
        "ss": .ended(0, output: "", errors: ""),
    ]

    func run(_ words: [String], input: String?, limit: Duration) async -> ProgramRun {
        guard words[0] == "systemctl" else { return programs[words[0]] ?? .missing }
        if let broken = programs["systemctl"] { return broken }
        if words.contains("cat") { return .ended(0, output: unitText, errors: "") }
        let user = words.first { $0.hasPrefix("--machine=") }.map { $0.dropFirst("--machine=".count).dropLast() + "/" } ?? ""
        let shown = units[user + words[words.count - 1]] ?? ["LoadState": "not-found", "ActiveState": "inactive"]
        return .ended(0, output: shown.map { "\($0)=\($1)\n" }.joined(), errors: "")
    }

    func file(_ path: String) -> FileLook { files[path] ?? .missing }
}

struct EngineDouble: EngineInterview {
    var socket = "/run/user/1000/podman/podman.sock"
    var introduced: Result<EngineIntroduction, Complaint> = .success(
        .init(product: "Podman Engine 4.3.1", storage: "/home/homelab/.local/share/containers/storage", storageDriver: "overlay"))
    var made: Date?? = .some(at("2026-11-01T00:00:00Z"))
    var unreached: String?
    /// The one address that is not reached; nil for all.
    var unreachedURL: String?

    struct Complaint: Error, CustomStringConvertible {
        var description: String
    }

    func introduction() async throws -> EngineIntroduction { try introduced.get() }
    func image(_ name: String) async throws -> Date?? { made }
    func reach(_ url: String, from network: String?, image: String) async throws -> String? {
        unreachedURL == nil || unreachedURL == url ? unreached : nil
    }
}

struct GitLabDouble: GitLabInterview {
    var look = Evidence.GitLabLook.reached
    var now: Date? = at("2026-11-29T12:00:03Z")
    var may = Seen<Evidence.TokenLook>.seen(.init(lacks: [], daysLeft: 200))
    var isOff = Seen<Bool?>.seen(false)
    var lastAnswer: String? = "200"
    var others: [String] = []

    func reach() async -> Evidence.GitLabLook { look }
    func clock() async -> Date? { now }
    func token() async -> Seen<Evidence.TokenLook> { may }
    func hook(of project: String) async -> Evidence.HookLook { .init(project: project, isOff: isOff, lastAnswer: lastAnswer) }
    func rivals(in project: String) async throws -> [String] { others }
}

func at(_ text: String) -> Date {
    // swift-format-ignore: NeverForceUnwrap
    try! Date(text, strategy: .iso8601)
}

/// A home in which all is well.
struct Home {
    var machine = MachineDouble()
    var engine = EngineDouble()
    var gitlab = GitLabDouble()
    var isRoot = true
    var configuration: Evidence.Configuration
    var registry = Seen<Int>.seen(200)
    var daemon = Seen<Evidence.DaemonLook>.seen(.init(version: "1.2.3"))
    var free: Int64 = 50 << 30
    var now = at("2026-11-29T12:00:00Z")
    var user: (name: String, uid: UInt32)? = ("homelab", 1000)
    var webhookFromHere: String?
    var settled: Evidence.Settled {
        didSet { configuration = .valid(settled) }
    }

    init() {
        settled = .init(url: "http://gitlab.home:3000")
        settled.pools = [.init(name: "docker", isContainer: true, image: "docker.io/gitlab/gitlab-runner:alpine", network: nil)]
        settled.projects = ["root/hello"]
        settled.diskReserve = 2 << 30
        configuration = .valid(settled)
    }

    /// GitLab runs here in the container of autogit-gitlab.
    mutating func holdsGitLab() {
        webhookFromHere = "http://192.168.1.170:8080/webhook/job"
        machine.units["autogit-gitlab.service"] = ["LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"]
    }

    func diagnosis() async -> Diagnosis {
        let (registry, daemon, user, free) = (registry, daemon, user, free)
        var subject = Examination.Subject(
            machine: machine, isRoot: isRoot, configurationPath: "/etc/autogit/autogit.toml", configuration: configuration, engine: engine, gitlab: gitlab,
            registry: { _ in registry }, daemon: { daemon }, find: { _ in user }, now: now, version: "1.2.3")
        subject.runnerURL = "http://gitlab.home:3000"
        subject.free = { _ in free }
        subject.webhookFromHere = webhookFromHere
        return Checkup.diagnosis(of: await Examination(subject).evidence())
    }
}
