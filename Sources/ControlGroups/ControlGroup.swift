import Glibc

/// A control group of version 2, as cgroups(7) and the kernel's cgroup-v2.rst describe its files.
public struct ControlGroup: Sendable, Equatable {
    /// Its folder.
    public let path: String

    /// - Parameters:
    ///   - name: as in /proc/PID/cgroup and systemd's `ControlGroup`, with a slash before.
    ///   - root: where the hierarchy is mounted.
    public init(_ name: String, root: String = "/sys/fs/cgroup") { path = root + name }

    /// The group of a container: what names it is `ID.scope` or `ID`, behind the engine's own word (`docker-`, `libpod-`). nil where there is
    /// none, as for a container of another machine, and where there is no hierarchy of version 2 alone.
    ///
    /// Looked for by name and not by a process, for a sandbox with a user namespace of its own hides the processes of its own user from a daemon.
    /// - Parameter container: its whole id of 64 digits, which no other group's name ends with.
    public init?(of container: String, root: String = "/sys/fs/cgroup") {
        guard container.utf8.count == 64, access("\(root)/cgroup.controllers", F_OK) == 0, let path = Self.find(container, in: root, depth: 0) else {
            return nil
        }
        self.path = path
    }

    /// Of two containers' groups in each other none has the other's id. Podman's conmon has a group beside its container's, with the same id.
    private static func find(_ container: String, in folder: String, depth: Int) -> String? {
        let children = folders(in: folder)
        let own = children.first { name in
            let name = name.hasSuffix(".scope") ? name.dropLast(6) : name[...]
            return name.hasSuffix(container) && !name.contains("conmon")
        }
        if let own { return "\(folder)/\(own)" }
        // Rootless engines are six levels down.
        guard depth < 8 else { return nil }
        for child in children {
            if let found = find(container, in: "\(folder)/\(child)", depth: depth + 1) { return found }
        }
        return nil
    }

    private static func folders(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var found: [String] = []
        while let entry = readdir(stream) {
            guard entry.pointee.d_type == UInt8(DT_DIR), entry.pointee.d_name.0 != UInt8(ascii: ".") else { continue }
            found.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
                })
        }
        return found
    }

    /// What its processes, and those of the groups in it, use and used.
    public struct Use: Sendable, Equatable {
        /// CPU time since the group was made.
        public var cpu: Duration
        /// Bytes, without files' content that can be dropped at once; nil without the memory controller.
        public var memory: Int64?
        /// Processes that were killed at a memory limit; nil without the memory controller.
        public var memoryKills: Int?
    }

    /// nil when the group is gone, or can't be read.
    public func use() -> Use? {
        guard let cpu = number("usage_usec", in: "cpu.stat") else { return nil }
        var use = Use(cpu: .microseconds(cpu), memory: nil, memoryKills: number("oom_kill", in: "memory.events").map { Int($0) })
        if let all = Self.read("\(path)/memory.current").flatMap({ Int64($0.prefix { $0 != "\n" }) }) {
            use.memory = max(0, all - (number("inactive_file", in: "memory.stat") ?? 0))
        }
        return use
    }

    /// The value of a line `NAME VALUE`.
    private func number(_ name: String, in file: String) -> Int64? {
        Self.read("\(path)/\(file)")?.split(separator: "\n").first { $0.hasPrefix("\(name) ") }.flatMap { Int64($0.dropFirst(name.utf8.count + 1)) }
    }

    /// The kernel's files are small: 16 KiB at most are read.
    private static func read(_ file: String) -> String? {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 1) { buffer in
            let length = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            return length < 0 ? nil : String(decoding: UnsafeRawBufferPointer(rebasing: buffer[..<length]), as: UTF8.self)
        }
    }
}
