import FoundationEssentials
import Glibc

/// The file system of a host: the root folder, a tree that looks like one, or what another machine told of its own.
struct HostTree: Sendable {
    /// Without a slash at its end; empty for the machine itself.
    let root: String
    /// By their paths; nil for a folder of this machine. No program can be run there.
    private let listed: [String: Entry]?

    /// A file or a device node that another machine told of.
    enum Entry: Equatable {
        case file([UInt8])
        case unreadable
        case node(group: UInt32)
    }

    init(root: String) { (self.root, listed) = (root, nil) }
    init(listed: [String: Entry]) { (root, self.listed) = ("", listed) }

    enum Content: Equatable {
        case bytes([UInt8])
        case missing
        /// Words that follow the file's name.
        case failed(String)
    }

    /// Reads a whole file. Never waits: a FIFO or a device in its place is none, and what is larger isn't read on.
    /// - Parameter limit: in bytes.
    func read(_ path: String, limit: Int) -> Content {
        if let listed {
            switch listed[path] {
            case .file(let bytes): return bytes.count > limit ? .failed("has more than \(limit) bytes") : .bytes(bytes)
            case .unreadable: return .failed("can't be read: \(Self.words(EACCES))")
            case .node: return .failed("isn't a file")
            case nil: return .missing
            }
        }
        let descriptor = open(root + path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { return Self.failure() }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return Self.failure() }
        guard status.st_mode & S_IFMT == S_IFREG else { return .failed("isn't a file") }
        var bytes: [UInt8] = []
        while true {
            let piece = Self.piece(of: descriptor, atMost: min(1 << 16, limit + 1 - bytes.count))
            guard let piece else { return Self.failure() }
            if piece.isEmpty { return .bytes(bytes) }
            bytes += piece
            if bytes.count > limit { return .failed("has more than \(limit) bytes") }
        }
    }

    /// A small file of text, without blanks at its ends; nil when it is missing.
    func line(_ path: String, remarks: inout [String]) -> String? {
        guard let text = text(path, limit: 4096, remarks: &remarks) else { return nil }
        let line = text.split(whereSeparator: \.isNewline).first?.trimmed ?? ""
        return line.isEmpty ? nil : String(line)
    }

    /// A file of text; nil when it is missing, and with a remark when it can't be read.
    func text(_ path: String, limit: Int, remarks: inout [String]) -> String? {
        switch read(path, limit: limit) {
        case .missing: return nil
        case .bytes(let bytes): return String(decoding: bytes, as: UTF8.self)
        case .failed(let reason):
            remarks.append("\(path) \(reason).")
            return nil
        }
    }

    /// The names in a folder, sorted; none when it is missing.
    func names(_ path: String, remarks: inout [String]) -> [String] {
        if let listed {
            return Set(
                listed.keys.filter { $0.hasPrefix("\(path)/") }.compactMap { $0.dropFirst(path.utf8.count + 1).split(separator: "/").first.map(String.init) }
            )
            .sorted()
        }
        guard let folder = opendir(root + path) else {
            if errno != ENOENT && errno != ENOTDIR { remarks.append("\(path) can't be read: \(Self.words(errno)).") }
            return []
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            names.append(name)
            if names.count == 10_000 {
                remarks.append("\(path) has more than 10,000 entries, and the rest is left out.")
                break
            }
        }
        return names.sorted()
    }

    /// The group of a device node; nil for anything else. In a tree that isn't the machine's own, files stand for nodes.
    func group(ofNode path: String) -> UInt32? {
        if let listed {
            guard case .node(let group) = listed[path] else { return nil }
            return group
        }
        var status = stat()
        guard stat(root + path, &status) == 0 else { return nil }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFCHR || kind == S_IFBLK || (!root.isEmpty && kind == S_IFREG) else { return nil }
        return status.st_gid
    }

    func isExecutable(_ path: String) -> Bool { listed == nil && access(root + path, X_OK) == 0 }

    /// The next bytes of a descriptor; empty at its end, nil for an error.
    static func piece(of descriptor: Int32, atMost count: Int) -> [UInt8]? {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
            var got = Glibc.read(descriptor, buffer.baseAddress, count)
            while got < 0 && errno == EINTR { got = Glibc.read(descriptor, buffer.baseAddress, count) }
            failed = got < 0
            length = max(got, 0)
        }
        return failed ? nil : bytes
    }

    private static func failure() -> Content { errno == ENOENT || errno == ENOTDIR ? .missing : .failed("can't be read: \(words(errno))") }

    static func words(_ code: Int32) -> String { String(cString: strerror(code)) }
}
