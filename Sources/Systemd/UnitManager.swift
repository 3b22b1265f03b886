import CSystemd
import Glibc
import Dispatch

/// A property of a transient unit, typed as the manager's D-Bus interface has it (org.freedesktop.systemd1(5)).
public enum UnitProperty: Sendable {
    case text(String, String)
    case flag(String, Bool)
    case number(String, UInt64)
    case signal(String, Int32)
    case texts(String, [String])
    case pids([UInt32])
    /// A command line that is taken as it is, without expansion of variables.
    case command([String])
    /// An empty file system at each path, with its mount options.
    case temporaryFileSystems([(path: String, options: String)])
    case bindPaths([(source: String, destination: String)])

    func append(to message: Message) throws {
        func property(_ name: String, _ type: String, _ body: () throws -> Void) throws {
            try message.container("r", "sv") {
                try message.append(name)
                try message.container("v", type, body)
            }
        }
        switch self {
        case .text(let name, let value): try property(name, "s") { try message.append(value) }
        case .flag(let name, let value): try property(name, "b") { try message.append(value) }
        case .number(let name, let value): try property(name, "t") { try message.append(value) }
        case .signal(let name, let value): try property(name, "i") { try message.append(value) }
        case .texts(let name, let values): try property(name, "as") { try message.append(values) }
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
        case .bindPaths(let entries):
            try property("BindPaths", "a(ssbt)") {
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
    }
}

/// A systemd manager, reached over its bus: a user's own at `unix:path=/run/user/UID/bus`.
///
/// Each call has a connection of its own: the bus may be restarted between two calls, and nothing piles up on an
/// idle one. Calls block a thread of their own queue, never the caller's.
public final class UnitManager: Sendable {
    /// A loaded unit.
    public struct Unit: Sendable, Equatable {
        /// With its suffix, such as `.service`.
        public var name: String
        /// As `Description=` has it.
        public var description: String
        /// active, activating, deactivating, inactive or failed.
        public var activeState: String
    }

    private static let destination = "org.freedesktop.systemd1"
    private static let path = "/org/freedesktop/systemd1"
    private static let manager = "org.freedesktop.systemd1.Manager"

    /// As `$DBUS_SESSION_BUS_ADDRESS` has it.
    public let address: String
    private let queue = DispatchQueue(label: "autogit.systemd", attributes: .concurrent)

    /// A manager that may be there or not: nothing is called yet.
    public init(address: String) { self.address = address }

    private func perform<T: Sendable>(_ body: @escaping @Sendable (Bus) throws -> T) async throws -> T {
        let address = address
        return try await withCheckedThrowingContinuation { done in
            queue.async { done.resume(with: Result { try body(Bus(address: address)) }) }
        }
    }

    /// Seconds that a start or stop job may take.
    private static let jobTimeout = 60

    /// Starts a transient unit and waits until its start job is over.
    /// - Throws: `BusError`, also when the job failed.
    public func startTransient(_ name: String, _ properties: [UnitProperty]) async throws {
        try await perform { bus in
            try Self.finishJob(bus, "starting \(name)") {
                try bus.call(Self.destination, Self.path, Self.manager, "StartTransientUnit") { message in
                    try message.append(name)
                    try message.append("fail")
                    try message.container("a", "(sv)") { for property in properties { try property.append(to: message) } }
                    try message.container("a", "(sa(sv))") {}
                }
            }
        }
    }

    /// Stops a unit and waits for that. A unit that isn't there is no error.
    public func stop(_ name: String) async throws {
        try await perform { bus in
            do {
                try Self.finishJob(bus, "stopping \(name)") {
                    try bus.call(Self.destination, Self.path, Self.manager, "StopUnit") { message in
                        try message.append(name)
                        try message.append("replace")
                    }
                }
            } catch let error as BusError where error.name == BusError.noSuchUnit {}
        }
    }

    private static func finishJob(_ bus: Bus, _ what: String, _ call: () throws -> Message) throws {
        var job: String?
        var result: String?
        // The manager sends no signals to who hasn't asked for them.
        try bus.call(destination, path, manager, "Subscribe")
        let over = try bus.wait(for: manager, "JobRemoved", seconds: jobTimeout, during: { job = try call().text("o") }) { message in
            guard (try? message.number("u", as: UInt32.self)) != nil, let removed = try? message.text("o"), removed == job,
                (try? message.text()) != nil
            else { return false }
            result = try? message.text()
            return true
        }
        guard over else { throw BusError(what, code: -ETIMEDOUT) }
        guard result == "done" || result == "skipped" else {
            throw BusError(what, code: -EIO, detail: "the job ended with \(result ?? "nothing"); journalctl --user says why")
        }
    }

    /// - Parameter who: `all`, `main` or `control`.
    /// - Returns: false when there is no such unit or process.
    @discardableResult
    public func kill(_ name: String, who: String, signal: Int32) async throws -> Bool {
        try await perform { bus in
            do {
                try bus.call(Self.destination, Self.path, Self.manager, "KillUnit") { message in
                    try message.append(name)
                    try message.append(who)
                    try message.append(signal)
                }
                return true
            } catch let error as BusError
                where error.name == BusError.noSuchUnit || error.name == "org.freedesktop.systemd1.NoSuchProcess"
                || error.name == "org.freedesktop.DBus.Error.UnixProcessIdUnknown"
            {
                return false
            }
        }
    }

    /// Forgets that a unit failed, so that it can be unloaded.
    public func resetFailed(_ name: String) async throws {
        try await perform { bus in
            do {
                try bus.call(Self.destination, Self.path, Self.manager, "ResetFailedUnit") { try $0.append(name) }
            } catch let error as BusError where error.name == BusError.noSuchUnit {}
        }
    }

    /// Loaded units whose name matches a glob.
    public func units(matching pattern: String) async throws -> [Unit] {
        try await perform { bus in
            let reply = try bus.call(Self.destination, Self.path, Self.manager, "ListUnitsByPatterns") { message in
                try message.append([String]())
                try message.append([pattern])
            }
            var units: [Unit] = []
            _ = try reply.enter("a", "(ssssssouso)")
            while try reply.enter("r", "ssssssouso") {
                let name = try reply.text() ?? ""
                let description = try reply.text() ?? ""
                _ = try reply.text()
                units.append(Unit(name: name, description: description, activeState: try reply.text() ?? ""))
                for type in "ss" { _ = try reply.text(type) }
                _ = try reply.text("o")
                _ = try reply.number("u", as: UInt32.self)
                _ = try reply.text("s")
                _ = try reply.text("o")
                try reply.leave()
            }
            return units
        }
    }

    /// Which interface of a unit has a property.
    public enum Kind: String, Sendable {
        case unit = "Unit"
        case service = "Service"
        case scope = "Scope"
        var interface: String { "org.freedesktop.systemd1.\(rawValue)" }
    }

    /// A property that is a text.
    /// - Throws: `BusError`
    public func text(_ property: String, of unit: String, _ kind: Kind) async throws -> String {
        try await perform { try Self.property($0, property, of: unit, kind, type: "s").text() ?? "" }
    }

    /// A property that is a process id (`…PID`) or an `int32`.
    /// - Throws: `BusError`
    public func number(_ property: String, of unit: String, _ kind: Kind) async throws -> Int64 {
        try await perform { bus in
            if property.hasSuffix("PID") { return Int64(try Self.property(bus, property, of: unit, kind, type: "u").number("u", as: UInt32.self)) }
            return Int64(try Self.property(bus, property, of: unit, kind, type: "i").number("i", as: Int32.self))
        }
    }

    private static func property(_ bus: Bus, _ property: String, of unit: String, _ kind: Kind, type: String) throws -> Message {
        var encoded: UnsafeMutablePointer<CChar>?
        try Bus.check(unit, sd_bus_path_encode("\(path)/unit", unit, &encoded))
        guard let encoded else { throw BusError(unit, code: -ENOMEM) }
        defer { free(encoded) }
        return try bus.property(destination, String(cString: encoded), kind.interface, property, type: type)
    }
}
