import Fleet

/// What `script` found on another machine, read from what it wrote.
///
/// The other machine is not trusted with more than its own facts: nothing that it writes reaches a file or a program of this one.
public struct RemoteProbe: Sendable, Equatable {
    /// As `ProbedHost` of this machine, without what only root sees (the kernel's log), and without the vendors' programs, which are not run
    /// there: NVIDIA's GPUs have the name that the driver gives them, and no amount of memory.
    public var host: ProbedHost
    /// Of the user that ran the script.
    public var uid: UInt32
    /// The name of that user.
    public var user: String
    /// That user's services run without a login (`loginctl enable-linger`).
    public var lingers: Bool
    /// Somebody listens at the socket of the user's Podman; whether it answers is not known.
    public var podmanListens: Bool
    /// The user's systemd opens that socket by itself; nil where it has no `podman.socket`.
    public var isPodmanEnabled: Bool?

    /// Bytes of output that are read at most.
    public static let longestOutput = 8 << 20

    /// Understands what the script wrote. Needs a stack of `ProbedHost.stackSize`, and milliseconds.
    /// - Parameters:
    ///   - output: what the script wrote; what a login shell says before is skipped.
    ///   - now: when the look was taken.
    /// - Throws: `RemoteProbeError` for anything that is not a whole output of this version.
    public init(_ output: [UInt8], now: Timestamp) throws(RemoteProbeError) {
        guard output.count <= Self.longestOutput else { throw RemoteProbeError(message: "it has more than \(Self.longestOutput) bytes") }
        let frames = try RemoteFrames(output)
        guard let uid = frames.facts["uid"].flatMap({ UInt32($0) }) else { throw RemoteProbeError(message: "it has no uid") }
        let machine = String((frames.facts["machine"] ?? "unknown").prefix(64))
        var search = HostSearch(HostTree(listed: frames.entries), programLimit: .zero)
        let emulators = search.emulators()
        let controllers = search.cgroupControllers(of: uid)
        let gpus = search.gpus()
        self.uid = uid
        user = String((frames.facts["user"] ?? "").prefix(64))
        lingers = frames.facts["lingers"] == "yes"
        podmanListens = frames.facts["podman"] == "yes"
        isPodmanEnabled = ["yes": true, "no": false][frames.facts["podman-enabled"] ?? ""]
        host = ProbedHost(
            time: now.milliseconds, architecture: Architecture(named: machine)?.rawValue ?? machine,
            cpus: Self.cpus(search.tree.line("/sys/devices/system/cpu/online", remarks: &search.remarks)),
            memory: Self.memory(search.tree.text("/proc/meminfo", limit: 16384, remarks: &search.remarks)), cgroupControllers: controllers,
            emulators: emulators, gpus: gpus, remarks: ProbedHost.clean(search.remarks))
    }

    /// Counts lists such as `0-3,8`; at least 1.
    static func cpus(_ list: String?) -> Int {
        let counts = (list ?? "").split(separator: ",").map { range -> Int in
            let ends = range.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, (0...last).contains(first), last < 1 << 16 else { return 0 }
            return last - first + 1
        }
        return max(1, counts.reduce(0, +))
    }

    /// Bytes, of the kernel's `MemTotal: 16384 kB`; 0 where it isn't known.
    static func memory(_ text: String?) -> Int64 {
        let line = (text ?? "").split(whereSeparator: \.isNewline).first { $0.hasPrefix("MemTotal:") }
        guard let words = line?.split(separator: " "), words.count >= 2, let kibibytes = Int64(words[1]), (0...(Int64.max >> 10)).contains(kibibytes) else {
            return 0
        }
        return kibibytes << 10
    }
}

/// What another machine wrote is not what the probe's script writes.
public struct RemoteProbeError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The reason, as a sentence without an end.
    public var message: String
    /// A sentence without an end.
    public var description: String { "the machine's answer about itself can't be used: \(message)" }
}

/// The script's output, taken apart.
struct RemoteFrames: Equatable {
    var facts: [String: String] = [:]
    var entries: [String: HostTree.Entry] = [:]

    /// Where files may be: what else is told is not wanted.
    private static let places = [
        "/proc/sys/fs/binfmt_misc/", "/proc/driver/nvidia/", "/proc/meminfo", "/sys/devices/system/cpu/", "/sys/fs/cgroup/", "/sys/class/drm/", "/etc/cdi/",
        "/var/run/cdi/", "/dev/",
    ]
    private static let mostEntries = 2000

    /// - Throws: `RemoteProbeError`
    init(_ output: [UInt8]) throws(RemoteProbeError) {
        var rest = output[...]
        while let line = Self.line(&rest), line != "autogit-probe 1" {}
        while let line = Self.line(&rest) {
            if line == "autogit-probe end" { return }
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            switch (words[0], words.count) {
            case ("fact", 3...): facts[String(words[1])] = String(line.dropFirst(words[0].count + words[1].count + 2))
            case ("file", 3):
                guard let size = Int(words[2]), size >= 0, size < rest.count, rest[rest.startIndex + size] == 10 else {
                    throw RemoteProbeError(message: "a file in it is cut off")
                }
                try add(words[1], .file(Array(rest.prefix(size))))
                rest = rest.dropFirst(size + 1)
            case ("unreadable", 2): try add(words[1], .unreadable)
            case ("node", 3):
                guard let group = UInt32(words[2]) else { throw RemoteProbeError(message: "a device node in it has no group") }
                try add(words[1], .node(group: group))
            default: throw RemoteProbeError(message: "it has a line that the script doesn't write")
            }
        }
        throw RemoteProbeError(message: "it doesn't begin and end as the script's does")
    }

    private mutating func add(_ path: Substring, _ entry: HostTree.Entry) throws(RemoteProbeError) {
        guard Self.places.contains(where: path.hasPrefix), path.utf8.count <= 255,
            !path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).contains(where: { $0 == "" || $0 == "." || $0 == ".." })
        else { throw RemoteProbeError(message: "it tells of a file that wasn't asked for") }
        guard entries.count < Self.mostEntries else { throw RemoteProbeError(message: "it tells of more than \(Self.mostEntries) files") }
        entries[String(path)] = entry
    }

    private static func line(_ rest: inout ArraySlice<UInt8>) -> String? {
        guard let end = rest.firstIndex(of: 10) else { return nil }
        defer { rest = rest[(end + 1)...] }
        return String(decoding: rest[..<end], as: UTF8.self)
    }
}
