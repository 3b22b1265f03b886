import FoundationEssentials
import HostTools

/// All that a diagnosis is made of. Nothing here is secret.
public struct Evidence: Sendable {
    /// Whether root looked: others don't see much.
    public var isRoot = true
    public var configuration = Configuration.missing
    public var configurationPath = "/etc/autogit/autogit.toml"
    public var credential = Credential()
    public var service = Seen<UnitLook>.unseen("nobody looked")
    public var socket = Seen<UnitLook>.unseen("nobody looked")
    public var controlSocket = Seen<UnitLook>.unseen("nobody looked")
    /// Who has the port of the socket unit, when that isn't systemd; nil when nobody.
    public var portOwner: String?
    public var user = Seen<UserLook>.unseen("nobody looked")
    /// What systemd-detect-virt calls the container that the machine is; `none` for none.
    public var container = Seen<String>.unseen("nobody looked")
    public var controllers = Seen<[String]>.unseen("nobody looked")
    /// By its boot partition.
    public var isRaspberryPi = false
    public var userNamespaces = Seen<String?>.unseen("nobody looked")
    public var hasTunnelDevice = true
    public var clock = Seen<Clock>.unseen("nobody looked")
    public var disks: [Disk] = []
    public var engine = Seen<EngineLook>.unseen("nobody looked")
    public var images: [ImageLook] = []
    public var networks: [NetworkLook] = []
    public var gitlab = GitLabLook.notAsked("nobody looked")
    public var token = Seen<TokenLook>.unseen("nobody looked")
    public var hooks: [HookLook] = []
    /// nil where GitLab isn't in a container of this machine, as far as one can tell.
    public var webhook: WebhookLook?
    public var rivals = Seen<[String]>.unseen("nobody looked")
    public var daemon = Seen<DaemonLook>.unseen("nobody looked")
    /// The version of this program.
    public var version = ""

    public init() {}

    /// The file, as the service would read it.
    public enum Configuration: Sendable {
        case missing
        /// Errors, each with its place.
        case invalid([String])
        case valid(Settled)

        var settled: Settled? {
            if case .valid(let settled) = self { settled } else { nil }
        }
        /// Whether runners may be on this machine; without a valid one, it is taken for the only one.
        var isHost: Bool { settled?.isHost ?? true }
    }

    /// What the diagnosis needs of a valid configuration.
    public struct Settled: Sendable {
        public var url: String
        public var pools: [PoolLook] = []
        /// Of `autogitctl check`.
        public var warnings: [String] = []
        public var hasWebhookSecret = true
        /// 0 without polling.
        public var pollSeconds: Double = 30
        /// Paths or ids of the projects to poll; empty for all.
        public var projects: [String] = []
        public var listening = ""
        public var isLoopback = false
        public var stateDirectory = "/var/lib/autogit"
        public var diskReserve: Int64 = 0
        /// The names of other machines that runners are placed on.
        public var otherHosts: [String] = []
        /// Sections whose commands the systemd of the service's user runs.
        public var sectionsWithCommands: [String] = []

        public init(url: String) { self.url = url }

        /// Whether runners may be on this machine.
        var isHost: Bool { pools.isEmpty || pools.contains(where: \.isHere) }
        /// Those that need a container engine of this machine.
        var containerPools: [PoolLook] { pools.filter { $0.isContainer && $0.isHere } }
    }

    public struct PoolLook: Sendable {
        public var name: String
        public var isContainer: Bool
        public var image: String
        public var network: String?
        /// Its runners may be on this machine; images and networks of other machines can't be judged by this one's engine.
        public var isHere: Bool
        public init(name: String, isContainer: Bool, image: String, network: String?, isHere: Bool = true) {
            self.isHere = isHere
            self.name = name
            self.isContainer = isContainer
            self.image = image
            self.network = network
        }
    }

    /// GitLab's token on its way from a file to the service.
    public struct Credential: Sendable {
        public var plain = FileLook.missing
        public var sealed = FileLook.missing
        /// Whether the unit takes the plain or the encrypted one; nil when nobody could ask.
        public var loadsPlain: Bool?
        public var loadsSealed: Bool?
        /// The configuration names a file of its own.
        public var isElsewhere = false
        public init() {}
    }

    public struct UserLook: Sendable {
        public var name: String
        /// nil when there is no such user.
        public var uid: UInt32?
        public var lingers: Seen<Bool>
        /// `user@UID.service`.
        public var manager: Seen<UnitLook>
        /// How many ids each of /etc/subuid and /etc/subgid gives.
        public var subordinateIDs: Seen<(users: Int, groups: Int)>
        public var hasMappingPrograms: Bool
        /// The cgroup controllers that the user's systemd was given.
        public var controllers: Seen<[String]>
        /// Whether a rootless engine is what the service uses.
        public var isEngineRootless: Bool

        public init(name: String, uid: UInt32?) {
            self.name = name
            self.uid = uid
            lingers = .unseen("nobody looked")
            manager = .unseen("nobody looked")
            subordinateIDs = .unseen("nobody looked")
            hasMappingPrograms = true
            controllers = .unseen("nobody looked")
            isEngineRootless = true
        }
    }

    public struct Clock: Sendable {
        /// Of this machine.
        public var now: Date
        /// Whether something sets it; nil where nobody knows.
        public var isSynchronized: Bool?
        /// What GitLab's answer says, by its Date header.
        public var ofGitLab: Date?
        public init(now: Date, isSynchronized: Bool? = nil, ofGitLab: Date? = nil) {
            self.now = now
            self.isSynchronized = isSynchronized
            self.ofGitLab = ofGitLab
        }
    }

    public struct Disk: Sendable {
        public var path: String
        public var what: String
        public var free: Int64
        /// Below which something stops.
        public var least: Int64
        public init(path: String, what: String, free: Int64, least: Int64) {
            self.path = path
            self.what = what
            self.free = free
            self.least = least
        }
    }

    public struct EngineLook: Sendable {
        public var socket: String
        /// nil when it doesn't answer.
        public var product: String?
        /// Why not.
        public var complaint: String?
        /// The user's unit that opens the socket: `podman.socket`, where there is one.
        public var unit: Seen<UnitLook>
        public var storageDriver: String?
        public var isRootless: Bool
        /// Programs that the engine needs for networks, and that are missing.
        public var missingHelpers: [String] = []
        public init(socket: String, product: String?, complaint: String? = nil, unit: Seen<UnitLook>, storageDriver: String? = nil, isRootless: Bool = true) {
            self.socket = socket
            self.product = product
            self.complaint = complaint
            self.unit = unit
            self.storageDriver = storageDriver
            self.isRootless = isRootless
        }
    }

    public struct ImageLook: Sendable {
        public var pool: String
        public var image: String
        /// In days; nil when the engine doesn't have it, or doesn't know.
        public var age: Int?
        public var isPresent: Bool
        /// Of a HEAD to its registry, where it isn't present.
        public var registry: Seen<Int>
        public init(pool: String, image: String, age: Int?, isPresent: Bool, registry: Seen<Int>) {
            self.pool = pool
            self.image = image
            self.age = age
            self.isPresent = isPresent
            self.registry = registry
        }
    }

    /// GitLab, as a container in a pool's network sees it.
    public struct NetworkLook: Sendable {
        public var pools: [String]
        public var network: String
        public var url: String
        /// nil when it was reached; else the words of the program that tried.
        public var failure: Seen<String?>
        public init(pools: [String], network: String, url: String, failure: Seen<String?>) {
            self.pools = pools
            self.network = network
            self.url = url
            self.failure = failure
        }
    }

    /// This daemon's webhook, as a container sees it.
    public struct WebhookLook: Sendable {
        public var url: String
        /// nil when it was reached; else the words of the program that tried.
        public var failure: Seen<String?>
        public init(url: String, failure: Seen<String?>) {
            self.url = url
            self.failure = failure
        }
    }

    public enum GitLabLook: Sendable {
        case notAsked(String)
        case reached
        /// The token is refused.
        case refused(String)
        case failed(String)
    }

    public struct TokenLook: Sendable {
        /// What the token lacks for what the configuration wants, in words.
        public var lacks: [String]
        /// Days until it is over; negative when it is; nil when it has no end.
        public var daysLeft: Int?
        public init(lacks: [String], daysLeft: Int?) {
            self.lacks = lacks
            self.daysLeft = daysLeft
        }
    }

    /// The job webhooks of one project that lead here.
    public struct HookLook: Sendable {
        public var project: String
        /// nil when the project has none.
        public var isOff: Seen<Bool?>
        /// The answer to the newest delivery, where GitLab tells.
        public var lastAnswer: String?
        public init(project: String, isOff: Seen<Bool?>, lastAnswer: String? = nil) {
            self.project = project
            self.isOff = isOff
            self.lastAnswer = lastAnswer
        }
    }

    /// Another machine, as the daemon sees it.
    public struct HostLook: Sendable {
        public var name: String
        /// Of `GET /hosts`.
        public var isAway: Bool
        public var isDrained: Bool
        /// Why it is away, and what could not be found out.
        public var remarks: [String]
        public init(name: String, isAway: Bool = false, isDrained: Bool = false, remarks: [String] = []) {
            self.name = name
            self.isAway = isAway
            self.isDrained = isDrained
            self.remarks = remarks
        }
    }

    public struct DaemonLook: Sendable {
        public var version: String
        public var gitlab = "ok"
        public var engine = "ok"
        public var store = "ok"
        public var warnings: [String] = []
        /// Pools that failed, with their last errors; and those that an operator paused.
        public var failingPools: [(name: String, error: String)] = []
        public var pausedPools: [String] = []
        /// Why jobs wait, with how many.
        public var waiting: [String: Int] = [:]
        /// Other machines than the daemon's own.
        public var hosts: [HostLook] = []
        /// The share of finished jobs that were found by polling only; nil when there is nothing to tell from.
        public init(version: String) { self.version = version }
    }
}

/// A unit, as `systemctl show` has it.
public struct UnitLook: Sendable, Equatable {
    public var name: String
    public var properties: [String: String]

    public init(name: String, properties: [String: String]) {
        self.name = name
        self.properties = properties
    }

    /// Lines of KEY=VALUE; a key that comes more often keeps all its values, as lines.
    public init(name: String, shown: String) {
        self.name = name
        properties = shown.split(separator: "\n").reduce(into: [:]) { found, line in
            guard let sign = line.firstIndex(of: "=") else { return }
            let (key, value) = (String(line[..<sign]), String(line[line.index(after: sign)...]))
            found[key] = found[key].map { "\($0)\n\(value)" } ?? value
        }
    }

    subscript(_ key: String) -> String { properties[key] ?? "" }
    var isInstalled: Bool { self["LoadState"] == "loaded" }
    var isMasked: Bool { self["LoadState"] == "masked" }
    var isActive: Bool { ["active", "reloading"].contains(self["ActiveState"]) }
    var isEnabled: Bool { self["UnitFileState"].hasPrefix("enabled") || ["static", "linked", "generated", "alias"].contains(self["UnitFileState"]) }
}
