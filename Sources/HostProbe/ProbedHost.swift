import Fleet
import FoundationEssentials
import Glibc

/// What a look at a host found, as a file in JSON that root writes and the daemon reads: the daemon's sandbox hides device nodes and
/// /proc/sys from it.
public struct ProbedHost: Sendable, Equatable, Codable {
    /// Where the units have it written.
    public static let usualPath = "/run/autogit/host.json"
    /// Of this format. A reader takes its own only: the two are one program, so another one is left from before an upgrade.
    public static let currentVersion = 1
    /// Bytes of a file; a host with hundreds of GPUs has less.
    private static let longest = 1 << 20
    private static let mostRemarks = 100
    /// Bytes of stack that `collect` needs at most: specifications may be nested, and readers call themselves for each level.
    public static let stackSize = 8 << 20

    /// Of the format.
    public var version = Self.currentVersion
    /// When the look was taken, in milliseconds since 1970.
    public var time: Int64
    /// Of the kernel, by Go's name, such as `amd64`; uname's name where there is no `Architecture` for it.
    public var architecture: String
    /// Those that are on.
    public var cpus: Int
    /// Bytes that the kernel has to give.
    public var memory: Int64
    /// Of the service user's systemd, such as `memory`; empty where that isn't known.
    public var cgroupControllers: [String]
    /// In the order of their registrations' names.
    public var emulators: [Emulator]
    /// In a stable order, each once.
    public var gpus: [GPU]
    /// The newest since the boot, at most 64, oldest first. All of them, so that a look that nobody read loses none; see `faults(after:)`.
    public var gpuFaults: [GPUFault]
    /// What could not be found out, and why: sentences that name the file.
    public var remarks: [String]

    public init(
        time: Int64, architecture: String, cpus: Int, memory: Int64, cgroupControllers: [String] = [], emulators: [Emulator] = [], gpus: [GPU] = [],
        gpuFaults: [GPUFault] = [], remarks: [String] = []
    ) {
        self.time = time
        self.architecture = architecture
        self.cpus = cpus
        self.memory = memory
        self.cgroupControllers = cgroupControllers
        self.emulators = emulators
        self.gpus = gpus
        self.gpuFaults = gpuFaults
        self.remarks = remarks
    }

    /// Looks at this machine. Blocks: for milliseconds, and up to ten seconds more where NVIDIA's driver hangs.
    /// - Parameters:
    ///   - root: the folder to take for `/`, without a slash at its end; CPUs, memory and architecture are this machine's all the same.
    ///   - user: whose systemd the runners' cgroups come from; nil leaves them out.
    ///   - programLimit: how long a vendor's program may take.
    public static func collect(root: String = "", user: UInt32?, programLimit: Duration = .seconds(10)) -> ProbedHost {
        let tree = HostTree(root: root)
        var search = HostSearch(tree, programLimit: programLimit)
        let now = Timestamp(Date())
        let emulators = search.emulators()
        let controllers = user.map { search.cgroupControllers(of: $0) } ?? []
        let gpus = search.gpus()
        let faults = KernelLog.faults(in: tree, booted: KernelLog.bootTime(now: now), remarks: &search.remarks)
        let machine = Self.machine
        return ProbedHost(
            time: now.milliseconds, architecture: Architecture(named: machine)?.rawValue ?? machine, cpus: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))),
            memory: Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE))), cgroupControllers: controllers, emulators: emulators,
            gpus: gpus, gpuFaults: faults, remarks: clean(search.remarks))
    }

    /// The architecture of the kernel that runs, in uname(2)'s words.
    public static var machine: String {
        var names = utsname()
        uname(&names)
        return withUnsafePointer(to: &names.machine) { $0.withMemoryRebound(to: CChar.self, capacity: 65) { String(cString: $0) } }
    }

    /// As many as a reader can use, for a page and a terminal.
    static func clean(_ remarks: [String]) -> [String] { remarks.prefix(mostRemarks).map(clean) }

    /// What files and programs say is in it.
    private static func clean(_ remark: String) -> String {
        String(String.UnicodeScalarView(remark.unicodeScalars.prefix(400).map { $0.value < 32 || $0.value == 127 ? " " : $0 }))
    }

    /// The faults that an earlier look did not show; all of this boot when there was none.
    public func faults(after earlier: ProbedHost?) -> [GPUFault] {
        let last = earlier?.gpuFaults.last?.sequence
        return gpuFaults.filter { fault in last.map { fault.sequence > $0 } ?? true }
    }

    /// Replaces the file at `path`; readers see the old one or the new one. It can be read by everybody, and tells no secrets.
    ///
    /// A link at `path` is replaced and not followed. Whoever can write to the folder decides what its names mean: as root, write only into
    /// folders that are root's, all the way up.
    /// - Throws: `ProbeFileError`
    public func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else { throw ProbeFileError(message: "\(path) can't be written: it has no form in JSON") }
        let temporary = "\(path).\(getpid())"
        // What a probe left that was killed.
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw ProbeFileError(path, errno) }
        defer { close(descriptor) }
        var rest = Array(data)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw ProbeFileError.removing(temporary, path, errno) }
            rest = rest.dropFirst(count)
        }
        // Whatever the umask is.
        guard fchmod(descriptor, 0o644) == 0, rename(temporary, path) == 0 else { throw ProbeFileError.removing(temporary, path, errno) }
    }

    /// Reads a file that `write(to:)` made.
    /// - Throws: `ProbeFileError`, also for a file of another version.
    public static func read(path: String) throws -> ProbedHost {
        let bytes: [UInt8]
        switch HostTree(root: "").read(path, limit: longest) {
        case .bytes(let read): bytes = read
        case .missing: throw ProbeFileError(path, ENOENT, "read")
        case .failed(let reason): throw ProbeFileError(message: "\(path) \(reason)")
        }
        struct Versioned: Decodable { var version: Int }
        let decoder = JSONDecoder()
        if let found = try? decoder.decode(Versioned.self, from: Data(bytes)), found.version != currentVersion {
            throw ProbeFileError(
                message: "\(path) is of format \(found.version), and this is for \(currentVersion); run: systemctl start autogit-probe.service")
        }
        guard let host = try? decoder.decode(ProbedHost.self, from: Data(bytes)) else {
            throw ProbeFileError(message: "\(path) isn't what autogitd --probe-host writes; run: systemctl start autogit-probe.service")
        }
        return host
    }
}

/// The file with what a host is can't be written or read.
public struct ProbeFileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file and the reason.
    public var message: String
    public var description: String { message }

    init(message: String) { self.message = message }
    init(_ path: String, _ code: Int32, _ what: String = "written") { message = "\(path) can't be \(what): \(HostTree.words(code))" }

    fileprivate static func removing(_ temporary: String, _ path: String, _ code: Int32) -> ProbeFileError {
        unlink(temporary)
        return ProbeFileError(path, code)
    }
}
