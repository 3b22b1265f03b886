/// A property of a transient unit, typed as the manager's D-Bus interface has it (org.freedesktop.systemd1(5)).
public enum UnitProperty: Sendable {
    case text(String, String)
    case flag(String, Bool)
    case number(String, UInt64)
    case signal(String, Int32)
    case texts(String, [String])
    case pids([UInt32])
    case bytes(String, [UInt8])
    /// A command line that is taken as it is, without expansion of variables.
    case command([String])
    /// An empty file system at each path, with its mount options.
    case temporaryFileSystems([(path: String, options: String)])
    case bindPaths([(source: String, destination: String)])
    case readOnlyBindPaths([(source: String, destination: String)])

    func append(to message: Message) throws {
        func property(_ name: String, _ type: String, _ body: () throws -> Void) throws {
            try message.container("r", "sv") {
                try message.append(name)
                try message.container("v", type, body)
            }
        }
        /// Each a source, a destination, whether a missing source is no error, and flags of mount(2).
        func binds(_ name: String, _ entries: [(source: String, destination: String)]) throws {
            try property(name, "a(ssbt)") {
                try message.container("a", "(ssbt)") {
                    for entry in entries {
                        try message.container("r", "ssbt") {
                            try message.append(entry.source)
                            try message.append(entry.destination)
                            try message.append(false)
                            try message.append(UInt64(0))
                        }
                    }
                }
            }
        }
        switch self {
        case .text(let name, let value): try property(name, "s") { try message.append(value) }
        case .flag(let name, let value): try property(name, "b") { try message.append(value) }
        case .number(let name, let value): try property(name, "t") { try message.append(value) }
        case .signal(let name, let value): try property(name, "i") { try message.append(value) }
        case .texts(let name, let values): try property(name, "as") { try message.append(values) }
        case .bytes(let name, let value): try property(name, "ay") { try message.append(bytes: value) }
        case .pids(let pids):
            try property("PIDs", "au") { try message.container("a", "u") { for pid in pids { try message.append(pid) } } }
        case .command(let words):
            try property("ExecStartEx", "a(sasas)") {
                try message.container("a", "(sasas)") {
                    try message.container("r", "sasas") {
                        try message.append(words.first ?? "")
                        try message.append(words)
                        try message.append(["no-env-expand"])
                    }
                }
            }
        case .temporaryFileSystems(let entries):
            try property("TemporaryFileSystem", "a(ss)") {
                try message.container("a", "(ss)") {
                    for entry in entries {
                        try message.container("r", "ss") {
                            try message.append(entry.path)
                            try message.append(entry.options)
                        }
                    }
                }
            }
        case .bindPaths(let entries): try binds("BindPaths", entries)
        case .readOnlyBindPaths(let entries): try binds("BindReadOnlyPaths", entries)
        }
    }
}
