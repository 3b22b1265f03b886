import ControlModel
import FoundationEssentials
import Glibc
import HostTools

/// Gathers the evidence. Everything that it looks at is passed in, so that tests can plant faults; nothing is changed.
public struct Examination: Sendable {
    /// What is looked at.
    public struct Subject: Sendable {
        public var machine: any Machine
        public var isRoot: Bool
        public var configurationPath: String
        public var configuration: Evidence.Configuration
        /// The configuration names a file for the token.
        public var isTokenElsewhere = false
        /// nil without a configuration: then the usual place is asked.
        public var engine: any EngineInterview
        /// nil without a configuration or a token.
        public var gitlab: (any GitLabInterview)?
        /// Why there is nobody to ask GitLab.
        public var whyNoGitLab = "there is no valid configuration"
        /// The address that runners use.
        public var runnerURL = ""
        /// The webhook's address that GitLab is given, where GitLab's own is one of this machine's.
        public var webhookFromHere: String?
        public var registry: @Sendable (String) async -> Seen<Int>
        public var daemon: @Sendable () async -> Seen<Evidence.DaemonLook>
        /// Projects of jobs that the daemon knows, for a configuration that names none.
        public var projects: @Sendable () async -> [String] = { [] }
        /// The uid of a user, by name or number.
        public var find: @Sendable (String) -> (name: String, uid: UInt32)?
        /// The free bytes of the file system of a folder.
        public var free: @Sendable (String) -> Int64? = Examination.freeBytes
        public var now: Date
        public var version: String

        public init(
            machine: any Machine, isRoot: Bool, configurationPath: String, configuration: Evidence.Configuration, engine: any EngineInterview,
            gitlab: (any GitLabInterview)?, registry: @escaping @Sendable (String) async -> Seen<Int>,
            daemon: @escaping @Sendable () async -> Seen<Evidence.DaemonLook>, find: @escaping @Sendable (String) -> (name: String, uid: UInt32)?, now: Date,
            version: String
        ) {
            self.machine = machine
            self.isRoot = isRoot
            self.configurationPath = configurationPath
            self.configuration = configuration
            self.engine = engine
            self.gitlab = gitlab
            self.registry = registry
            self.daemon = daemon
            self.find = find
            self.now = now
            self.version = version
        }
    }

    let subject: Subject
    private let say: @Sendable (String) -> Void

    /// - Parameter say: told what is looked at, before each part that may take seconds.
    public init(_ subject: Subject, say: @escaping @Sendable (String) -> Void = { _ in }) {
        self.subject = subject
        self.say = say
    }

    private var machine: any Machine { subject.machine }

    /// Looks at everything.
    public func evidence() async -> Evidence {
        var evidence = Evidence()
        evidence.isRoot = subject.isRoot
        evidence.version = subject.version
        evidence.configurationPath = subject.configurationPath
        evidence.configuration = subject.configuration
        say("the service")
        evidence.service = await unit("autogit.service")
        evidence.socket = await unit("autogit.socket")
        evidence.controlSocket = await unit("autogit-control.socket")
        if case .seen(let socket) = evidence.socket, !socket.isActive { evidence.portOwner = await portOwner(socket) }
        evidence.credential = await credential()
        evidence.container = container(await machine.run(["systemd-detect-virt", "--container"]))
        evidence.user = await user(evidence.service.value)
        say("the machine")
        evidence.controllers = words(machine.file("/sys/fs/cgroup/cgroup.controllers"), "/sys/fs/cgroup/cgroup.controllers")
        evidence.isRaspberryPi = machine.file("/boot/firmware/cmdline.txt").exists
        evidence.userNamespaces = userNamespaces()
        evidence.hasTunnelDevice = machine.file("/dev/net/tun").exists
        var introduction: EngineIntroduction?
        if evidence.configuration.isHost {
            say("the engine")
            introduction = await addEngine(to: &evidence)
        }
        addDisks(to: &evidence, storage: introduction?.storage)
        if introduction != nil { await addImages(to: &evidence) }
        if introduction != nil { await addNetworks(to: &evidence) }
        if introduction?.product.hasPrefix("Podman") == true { await addWebhook(to: &evidence) }
        say("GitLab")
        await addGitLab(to: &evidence)
        evidence.clock = await clock()
        evidence.daemon = await subject.daemon()
        return evidence
    }

    // MARK: systemd

    /// - Parameter user: whose systemd has the unit; nil for the system's.
    private func unit(_ name: String, user: String? = nil) async -> Seen<UnitLook> {
        let whose = user.map { ["--user", "--machine=\($0)@"] } ?? []
        let shown = await machine.run(
            ["systemctl"] + whose + ["show", "--no-pager", "-p"]
                + [
                    "LoadState,ActiveState,SubState,Result,UnitFileState,ExecMainStatus,NRestarts,NeedDaemonReload,User,Listen,ControlGroup"
                ] + ["--", name])
        return shown.seen("systemctl").map { UnitLook(name: name, shown: $0) }
    }

    private func container(_ run: ProgramRun) -> Seen<String> {
        // It prints `none` and fails when there is none.
        if case .ended(_, let output, _) = run { return .seen(output.trimmed) }
        return run.seen("systemd-detect-virt").map(\.trimmed)
    }

    private func portOwner(_ socket: UnitLook) async -> String? {
        guard let port = socket["Listen"].split(separator: ":").last?.prefix(while: \.isNumber), !port.isEmpty,
            let listed = await machine.run(["ss", "-Hltnp", "sport = :\(port)"]).output, let first = listed.split(separator: "\n").first
        else { return nil }
        // users:(("puma",pid=12,fd=3))
        let parts = first.split(separator: "\"")
        guard parts.count > 2 else { return "another program" }
        let pid = parts[2].components(separatedBy: "pid=").dropFirst().first?.prefix(while: \.isNumber) ?? ""
        return parts[1] == "systemd" ? nil : "\(parts[1]) (process \(pid))"
    }

    private func credential() async -> Evidence.Credential {
        var found = Evidence.Credential()
        found.plain = machine.file(TokenFiles.plain)
        found.sealed = machine.file(TokenFiles.sealed)
        found.isElsewhere = subject.isTokenElsewhere
        // systemctl show has no words for these settings.
        if let unit = (await machine.run(["systemctl", "cat", "--no-pager", "autogit.service"])).output {
            let loads = Self.loads("gitlab-token", in: unit)
            (found.loadsPlain, found.loadsSealed) = (loads == .plain, loads == .sealed)
        }
        return found
    }

    /// How a unit loads a credential: from a file in the clear, from an encrypted one, or not at all.
    public enum Loading: Sendable { case plain, sealed, not }

    /// How a unit loads a credential, by its files in the order in which they count. An assignment of nothing takes all away (systemd.exec(5)).
    public static func loads(_ name: String, in unit: String) -> Loading {
        var loading = Loading.not
        for line in unit.split(separator: "\n") {
            guard let sign = line.firstIndex(of: "=") else { continue }
            let (key, value) = (String(line[..<sign]).trimmed, String(line[line.index(after: sign)...]).trimmed)
            guard key == "LoadCredential" || key == "LoadCredentialEncrypted" else { continue }
            if value.isEmpty { loading = .not } else if value.hasPrefix("\(name):") || value == name { loading = key == "LoadCredential" ? .plain : .sealed }
        }
        return loading
    }

    private func user(_ unit: UnitLook?) async -> Seen<Evidence.UserLook> {
        // Where there is no unit to name one, it would be the package's.
        let named = unit.map { $0.isInstalled ? ($0["User"].isEmpty ? "root" : $0["User"]) : "1000" } ?? "1000"
        guard let (name, uid) = subject.find(named) else { return .seen(.init(name: named, uid: nil)) }
        var look = Evidence.UserLook(name: name, uid: uid)
        look.isEngineRootless = subject.configuration.isHost && subject.engine.socket.hasPrefix("/run/user/")
        if uid == 0 { look.lingers = .seen(true) } else { look.lingers = .seen(machine.file("/var/lib/systemd/linger/\(name)").exists) }
        look.manager = await self.unit("user@\(uid).service")
        if case .seen(let manager) = look.manager, !manager["ControlGroup"].isEmpty {
            let path = "/sys/fs/cgroup\(manager["ControlGroup"])/cgroup.controllers"
            look.controllers = words(machine.file(path), path)
        } else {
            look.controllers = .unseen("user@\(uid).service has no cgroup")
        }
        look.hasMappingPrograms = await machine.run(["newuidmap", "--help"]) != .missing
        let (users, groups) = (machine.file("/etc/subuid"), machine.file("/etc/subgid"))
        look.subordinateIDs = .seen((Self.ids(of: name, uid, in: users.text ?? ""), Self.ids(of: name, uid, in: groups.text ?? "")))
        return .seen(look)
    }

    /// How many a file of the form `name:first:count` gives to a user.
    static func ids(of name: String, _ uid: UInt32, in text: String) -> Int {
        text.split(separator: "\n").reduce(0) { sum, line in
            let parts = line.split(separator: ":")
            guard parts.count == 3, parts[0] == name || parts[0] == "\(uid)" else { return sum }
            return sum + (Int(parts[2]) ?? 0)
        }
    }

    // MARK: The kernel

    private func words(_ file: FileLook, _ path: String) -> Seen<[String]> {
        switch file {
        case .text(let text, _, _): .seen(text.split(whereSeparator: \.isWhitespace).map(String.init))
        // The controllers have a folder each there.
        case .missing: .unseen("\(path) is missing: this machine has cgroups of version 1, and runners' limits need version 2")
        case .other: .unseen("\(path) is not a file")
        case .unreadable(let reason): .unseen("\(path): \(reason)")
        }
    }

    /// The setting that keeps user namespaces from users; nil when none does. Kernels without the setting don't.
    private func userNamespaces() -> Seen<String?> {
        for (key, refused) in [
            ("kernel.unprivileged_userns_clone", "0"), ("user.max_user_namespaces", "0"), ("kernel.apparmor_restrict_unprivileged_userns", "1"),
        ] {
            if machine.file("/proc/sys/" + key.replacing(".", with: "/")).text?.trimmed == refused { return .seen("\(key) = \(refused)") }
        }
        return .seen(nil)
    }

    private func clock() async -> Seen<Evidence.Clock> {
        var clock = Evidence.Clock(now: subject.now)
        switch (await machine.run(["timedatectl", "show", "-p", "NTPSynchronized", "--value"])).output?.trimmed {
        case "yes": clock.isSynchronized = true
        case "no": clock.isSynchronized = false
        default: break
        }
        clock.ofGitLab = await subject.gitlab?.clock()
        return .seen(clock)
    }

    // MARK: The engine

    private func addEngine(to evidence: inout Evidence) async -> EngineIntroduction? {
        let engine = subject.engine
        var unit = Seen<UnitLook>.unseen("nobody looked")
        if engine.socket.hasSuffix("podman.sock"), let user = evidence.user.value, user.uid != nil { unit = await self.unit("podman.socket", user: user.name) }
        do {
            let introduction = try await engine.introduction()
            var look = Evidence.EngineLook(
                socket: engine.socket, product: introduction.product, unit: unit, storageDriver: introduction.storageDriver,
                isRootless: engine.socket.hasPrefix("/run/user/"))
            if look.isRootless, introduction.product.contains("Podman") { look.missingHelpers = missingHelpers() }
            evidence.engine = .seen(look)
            return introduction
        } catch {
            evidence.engine = .seen(.init(socket: engine.socket, product: nil, complaint: "\(error)", unit: unit))
            return nil
        }
    }

    /// Debian's podman recommends them, and does not depend on them.
    private func missingHelpers() -> [String] {
        func has(_ paths: [String]) -> Bool { paths.contains { machine.file($0).exists } }
        var missing: [String] = []
        if !has(["/usr/bin/slirp4netns", "/usr/bin/pasta"]) { missing.append("slirp4netns") }
        if !has(["/usr/lib/podman/netavark", "/usr/libexec/podman/netavark", "/opt/cni/bin/bridge", "/usr/lib/cni/bridge"]) {
            missing += ["netavark", "aardvark-dns"]
        }
        return missing
    }

    private func addDisks(to evidence: inout Evidence, storage: String?) {
        let settled = evidence.configuration.settled
        let state = settled?.stateDirectory ?? "/var/lib/autogit"
        // Before the first start there is no such folder.
        if let free = subject.free(state) ?? subject.free("/var/lib") {
            evidence.disks.append(.init(path: state, what: "the database", free: free, least: 100 << 20))
        }
        if let storage, let free = subject.free(storage) {
            evidence.disks.append(.init(path: storage, what: "images and containers", free: free, least: settled?.diskReserve ?? 0))
        }
    }

    /// The bytes that a user may still write.
    public static func freeBytes(_ path: String) -> Int64? {
        var look = statvfs()
        guard statvfs(path, &look) == 0 else { return nil }
        return Int64(look.f_bavail) * Int64(look.f_frsize)
    }

    private func addImages(to evidence: inout Evidence) async {
        var seen: Set<String> = []
        for pool in evidence.configuration.settled?.containerPools ?? [] where seen.insert(pool.image).inserted {
            say("the image \(pool.image)")
            let there = try? await subject.engine.image(pool.image)
            if case .some(let made) = there {
                let age = made.map { Int(subject.now.timeIntervalSince($0) / 86400) }
                evidence.images.append(.init(pool: pool.name, image: pool.image, age: age, isPresent: true, registry: .unseen("it was not asked")))
            } else {
                evidence.images.append(.init(pool: pool.name, image: pool.image, age: nil, isPresent: false, registry: await subject.registry(pool.image)))
            }
        }
    }

    private func addNetworks(to evidence: inout Evidence) async {
        guard let settled = evidence.configuration.settled, !subject.runnerURL.isEmpty else { return }
        var networks: [(name: String?, pools: [Evidence.PoolLook])] = []
        for pool in settled.containerPools {
            if let known = networks.firstIndex(where: { $0.name == pool.network }) {
                networks[known].pools.append(pool)
            } else {
                networks.append((pool.network, [pool]))
            }
        }
        for (name, pools) in networks {
            let shown = name ?? "default"
            say("GitLab from a container in the network \(shown)")
            // Any image of those that are there.
            let present = pools.first { pool in evidence.images.contains { $0.image == pool.image && $0.isPresent } }
            var failure: Seen<String?>
            if let present {
                do { failure = .seen(try await subject.engine.reach(subject.runnerURL, from: name, image: present.image)) } catch {
                    failure = .unseen("\(error)")
                }
            } else {
                failure = .unseen("none of the images \(pools.map(\.image).joined(separator: ", ")) is there yet; the first start of a runner fetches it")
            }
            evidence.networks.append(.init(pools: pools.map(\.name), network: shown, url: subject.runnerURL, failure: failure))
        }
    }

    /// GitLab in the container of autogit-gitlab has the way to this machine that any other container of the same Podman has.
    private func addWebhook(to evidence: inout Evidence) async {
        guard let url = subject.webhookFromHere, await unit("autogit-gitlab.service").value?.isActive == true else { return }
        say("the webhook from a container")
        var failure = Seen<String?>.unseen("no image of a pool is there yet to try it with")
        if let image = evidence.images.first(where: \.isPresent)?.image {
            do { failure = .seen(try await subject.engine.reach(url, from: nil, image: image)) } catch { failure = .unseen("\(error)") }
        }
        evidence.webhook = .init(url: url, failure: failure)
    }

    // MARK: GitLab

    /// Each costs calls to GitLab.
    private static let mostProjects = 10

    private func addGitLab(to evidence: inout Evidence) async {
        guard let gitlab = subject.gitlab else {
            evidence.gitlab = .notAsked(subject.whyNoGitLab)
            return
        }
        evidence.gitlab = await gitlab.reach()
        guard case .reached = evidence.gitlab else { return }
        evidence.token = await gitlab.token()
        let configured = evidence.configuration.settled?.projects ?? []
        let projects = (configured.isEmpty ? await subject.projects() : configured).prefix(Self.mostProjects)
        var rivals: Set<String> = []
        var isComplete = true
        for project in projects {
            say("the webhook of \(project)")
            evidence.hooks.append(await gitlab.hook(of: project))
            if let found = try? await gitlab.rivals(in: project) { rivals.formUnion(found) } else { isComplete = false }
        }
        if projects.isEmpty || !isComplete && rivals.isEmpty {
            evidence.rivals = .unseen("GitLab doesn't show the runners of these projects to the token")
        } else {
            evidence.rivals = .seen(rivals.sorted())
        }
    }
}
