import ContainerDriver
import Foundation
import Glibc
import FakeGitLab
import HTTPTransfer

/// A real container engine: one of this machine, or Podman's own service in a folder of ours.
public struct TestEngine: Sendable {
    /// The path of its Unix socket.
    public let socket: String
    /// Its API.
    public let engine: Engine
    /// The folder of our own service; nil for an engine of this machine.
    public let directory: String?
    private let service: Service?

    /// One engine for the whole process, which ends with it.
    public static let shared = Task { try await TestEngine.start() }

    /// The engine of a user of this machine, at the sockets that the daemon tries.
    /// - Returns: nil when none answers.
    public static func findRootless(http: HTTPClient = HTTPClient()) async -> TestEngine? {
        let user = getuid() == 0 ? 1000 : getuid()
        var sockets = ["/run/user/\(user)/podman/podman.sock", "/run/user/\(user)/docker.sock"]
        if let host = ProcessInfo.processInfo.environment["DOCKER_HOST"], host.hasPrefix("unix://") { sockets.insert(String(host.dropFirst(7)), at: 1) }
        let found = Engine(sockets: sockets, http: http)
        guard (try? await found.ping()) != nil else { return nil }
        return TestEngine(socket: found.socket, engine: found, directory: nil, service: nil)
    }

    /// Starts `podman system service` with a storage of its own, which is kept for the next run because it contains images.
    /// - Parameter registry: the address of one that is trusted without TLS.
    /// - Throws: when Podman is missing, or does not answer within ten seconds.
    public static func start(registry: String? = nil, http: HTTPClient = HTTPClient()) async throws -> TestEngine {
        let directory = "/var/tmp/autogit-engine-\(getuid())"
        let run = "\(directory)/run"
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // Alone in its folder, as Podman's is in people's homes.
        let folder = "\(run)/service-\(getpid())" + (registry == nil ? "" : "-registry")
        let socket = "\(folder)/podman.sock"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        unlink(socket)
        let configuration = "\(directory)/containers.conf"
        try machineSettings(directory).write(toFile: configuration, atomically: true, encoding: .utf8)
        var environment = ["CONTAINERS_CONF": configuration]
        if let registry {
            environment["CONTAINERS_REGISTRIES_CONF"] = "\(directory)/registries-\(registry).conf"
            try "[[registry]]\nlocation = \"\(registry)\"\ninsecure = true\n"
                .write(toFile: "\(directory)/registries-\(registry).conf", atomically: true, encoding: .utf8)
        }
        return try await start(
            Service(
                program: "podman",
                arguments: [
                    "--root", "\(directory)/storage", "--runroot", run, "--tmpdir", "\(run)/tmp", "system", "service", "--time=0", "unix://\(socket)",
                ], environment: environment, directory: directory), at: socket, directory, http)
    }

    /// Another Podman, with containers of its own; the images of `shared` are its, too.
    /// - Parameter name: names its storage, which is kept for the next run, and which one engine at a time can use.
    /// - Throws: when it does not answer within ten seconds.
    public static func startOther(_ name: String, http: HTTPClient = HTTPClient()) async throws -> TestEngine {
        let first = "/var/tmp/autogit-engine-\(getuid())"
        let directory = "\(first)-\(name)"
        // Alone in a folder that is called as Podman's is in people's homes.
        let folder = "\(directory)/run/podman"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let socket = "\(folder)/podman.sock"
        unlink(socket)
        let configuration = "\(directory)/containers.conf"
        try machineSettings(directory).write(toFile: configuration, atomically: true, encoding: .utf8)
        return try await start(
            Service(
                program: "podman",
                arguments: [
                    "--root", "\(directory)/storage", "--runroot", "\(directory)/run", "--tmpdir", "\(directory)/run/tmp", "--storage-driver", "overlay",
                    "--storage-opt", "additionalimagestore=\(first)/storage", "system", "service", "--time=0", "unix://\(socket)",
                ], environment: ["CONTAINERS_CONF": configuration], directory: directory), at: socket, directory, http)
    }

    /// The other real engine, for the few tests that need it.
    public static let isDockerInstalled = FileManager.default.fileExists(atPath: "/usr/sbin/dockerd")

    /// Starts `dockerd` with a storage of its own, which is kept for the next run. It has no bridge and makes no firewall rules, so its
    /// containers share this machine's network.
    /// - Parameters:
    ///   - storage: names the storage, which one engine at a time can use.
    ///   - more: further arguments, such as another address that it listens on.
    /// - Throws: when it does not answer within ten seconds.
    public static func startDocker(storage: String = "docker", more: [String] = [], http: HTTPClient = HTTPClient()) async throws -> TestEngine {
        let directory = "/var/tmp/autogit-\(storage)-\(getuid())"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let socket = "\(directory)/docker.sock"
        unlink(socket)
        return try await start(
            Service(
                program: "/usr/sbin/dockerd",
                arguments: [
                    "--data-root", "\(directory)/data", "--exec-root", "\(directory)/exec", "-H", "unix://\(socket)", "--pidfile", "\(directory)/pid",
                    "--iptables=false", "--ip6tables=false", "--bridge=none",
                ] + more, environment: [:], directory: directory), at: socket, directory, http)
    }

    /// The same engine behind another socket, which can be made anew without a restart of the engine itself: a relay that ends with this
    /// process.
    /// - Parameter relay: the path of its socket, in a folder that isn't `directory`'s own unless the socket is to have company.
    public func relayed(at relay: String, log directory: String) async throws -> TestEngine {
        unlink(relay)
        // Without -t it closes a connection whose one side has said all it has to say.
        let arguments = ["-t", "3600", "UNIX-LISTEN:\(relay),fork,backlog=128", "UNIX-CONNECT:\(socket)"]
        return try await Self.start(
            Service(program: "socat", arguments: arguments, environment: [:], directory: directory, diesWithForks: true), at: relay, directory,
            HTTPClient())
    }

    private static func start(_ service: Service, at socket: String, _ directory: String, _ http: HTTPClient) async throws -> TestEngine {
        try await service.start()
        let started = TestEngine(socket: socket, engine: Engine(socket: socket, http: http), directory: directory, service: service)
        try await started.waitForAnswer()
        return started
    }

    /// - Throws: when it does not answer within ten seconds, or has ended.
    public func waitForAnswer() async throws {
        for attempt in 0... {
            do {
                return try await engine.ping()
            } catch {
                guard attempt < 200, await service?.isRunning != false else {
                    throw Command.Failed(description: "the engine does not answer at \(socket): \(error); see \(directory ?? "")/service.log")
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// Kills our own service with SIGKILL and starts it again; containers keep running. Does nothing to an engine of this machine.
    public func restartService() async throws {
        guard let service else { return }
        await service.kill()
        unlink(socket)
        try await service.start()
    }

    /// `podman system service` or `dockerd` as a process.
    private actor Service {
        let program: String
        let arguments: [String]
        let environment: [String: String]
        let directory: String
        /// Its forks are its connections. Podman's are the monitors of containers.
        let diesWithForks: Bool
        private let id = UInt32.random(in: 0 ... .max)
        private var child: Child?

        init(program: String, arguments: [String], environment: [String: String], directory: String, diesWithForks: Bool = false) {
            self.diesWithForks = diesWithForks
            self.program = program
            self.arguments = arguments
            self.environment = environment
            self.directory = directory
        }

        func start() async throws {
            // A Podman that is killed while it loads an image leaves the whole of it behind. Those of others that live are in use.
            let (manager, all) = (FileManager.default, "\(directory)/loads")
            for name in (try? manager.contentsOfDirectory(atPath: all)) ?? [] {
                let owner = name.prefix { $0 != "-" }
                if Int32(owner).map({ Glibc.kill($0, 0) != 0 }) ?? true { try? manager.removeItem(atPath: "\(all)/\(name)") }
            }
            let loads = "\(all)/\(getpid())-\(id)"
            try? manager.removeItem(atPath: loads)
            try manager.createDirectory(atPath: loads, withIntermediateDirectories: true)
            child = try await Child.start(
                program, arguments, environment: environment.merging(["TMPDIR": loads]) { $1 }, log: "\(directory)/service.log", whenParentDies: "TERM")
        }

        var isRunning: Bool { child?.isRunning ?? false }
        func stop() async { if diesWithForks { await kill() } else { await child?.stop() } }
        func kill() async {
            if diesWithForks { child?.killWithForks() } else { child?.signal(SIGKILL) }
            await child?.exit()
        }
    }

    /// Stops our own service; containers keep running.
    public func stop() async {
        guard let service else { return }
        await service.stop()
        unlink(socket)
        // dockerd leaves its own network namespace mounted.
        if let directory { umount2("\(directory)/exec/netns/default", Int32(MNT_DETACH)) }
    }

    /// Settings for containers in which Podman itself runs without cgroup v2, without systemd, or with low limits; none elsewhere.
    static func machineSettings(_ directory: String) -> String {
        let manager = FileManager.default
        // Podman cuts this file at its bound, 1 MB by default, which a test that follows events must not meet.
        var engine = ["events_logger = \"file\"", "events_logfile_max_size = \"200m\""]
        if !manager.fileExists(atPath: "/sys/fs/cgroup/cgroup.controllers") { engine.append("runtime = \"runc\"") }
        if !manager.fileExists(atPath: "/run/systemd/system") { engine.append("cgroup_manager = \"cgroupfs\"") }
        var files = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        let limits = files.rlim_max < 1_048_576 ? "default_ulimits = [\"nofile=20000:20000\", \"nproc=20000:20000\"]\n" : ""
        // With it containers have names for each other.
        let network =
            manager.fileExists(atPath: "/usr/lib/podman/netavark")
            ? "[network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = \"\(directory)/networks\"\n" : ""
        return "[containers]\n\(limits)[engine]\n\(engine.joined(separator: "\n"))\n\(network)"
    }

    // MARK: What it holds

    /// Names of all containers of an instance, running or not.
    public func containers(instance: String) async throws -> [String] {
        try await engine.containers(labels: ["\(ContainerDriver.instanceLabel)=\(instance)"]).map { $0.Names?.first ?? $0.Id }
    }

    /// Everything that the engine holds which was made for jobs, of whomever: containers and networks by their ids, volumes by their names.
    public func madeForJobs() async throws -> [String] {
        let label = "com.gitlab.gitlab-runner.managed=true"
        return try await engine.containers(labels: [label]).map { $0.Names?.first ?? $0.Id } + engine.networks(label: label).map { $0.Name ?? $0.Id }
            + engine.volumes(label: label).map(\.Name)
    }

    /// Removes all containers of an instance, running or not, as far as the engine allows.
    public func removeContainers(instance: String) async {
        for found in (try? await engine.containers(labels: ["\(ContainerDriver.instanceLabel)=\(instance)"])) ?? [] {
            try? await engine.remove(found.Id)
        }
        for volume in (try? await engine.volumes(label: "\(ContainerDriver.instanceLabel)=\(instance)")) ?? [] {
            try? await engine.removeVolume(volume.Name)
        }
    }
}

extension TestEngine {
    /// An engine that somebody else starts and stops.
    public init(at socket: String, http: HTTPClient = HTTPClient()) {
        self.init(socket: socket, engine: Engine(socket: socket, http: http), directory: nil, service: nil)
    }
}
