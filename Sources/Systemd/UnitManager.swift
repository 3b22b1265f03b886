import CSystemd
import Dispatch
import Glibc

/// A systemd manager, reached over its bus: a user's own at `unix:path=/run/user/UID/bus`.
///
/// Each call has a connection of its own: the bus may be restarted between two calls, and no signals pile up on an idle connection.
/// Calls block threads of a queue, never the caller's, and throw `BusError`; one takes up to 20 s, a start or stop up to 60 s. They ignore
/// cancellation.
public final class UnitManager: Sendable {
    /// A loaded unit.
    public struct Unit: Sendable, Equatable {
        /// With its suffix, such as `x.service`.
        public var name: String
        /// As in `Description=`.
        public var description: String
        /// active, activating, deactivating, inactive or failed.
        public var activeState: String
    }

    private static let destination = "org.freedesktop.systemd1"
    private static let path = "/org/freedesktop/systemd1"
    private static let manager = "org.freedesktop.systemd1.Manager"

    /// A D-Bus address, such as `unix:path=/run/user/1000/bus`.
    public let address: String
    private let queue = DispatchQueue(label: "autogit.systemd", attributes: .concurrent)

    /// Connects at each call, never here.
    public init(address: String) { self.address = address }

    private func perform<T: Sendable>(_ body: @escaping @Sendable (Bus) throws -> T) async throws -> T {
        let address = address
        return try await withCheckedThrowingContinuation { done in
            queue.async { done.resume(with: Result { try body(Bus(address: address)) }) }
        }
    }

    /// Seconds that a start or stop job may take.
    private static let jobTimeout = 60

    /// Starts a transient unit and waits for its start job.
    /// - Throws: `BusError`, also when the job failed or a unit of this name exists.
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

    /// Stops a unit and waits until it has stopped. Succeeds when there is no such unit.
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
        // The manager sends signals to subscribers only.
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
            throw BusError(what, code: -EIO, detail: "the job ended with \(result ?? "no result"); see journalctl --user")
        }
    }

    /// Sends a signal to processes of a unit.
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

    /// Clears the failed state of a unit, so that systemd can unload it. Succeeds when there is no such unit.
    public func resetFailed(_ name: String) async throws {
        try await perform { bus in
            do {
                try bus.call(Self.destination, Self.path, Self.manager, "ResetFailedUnit") { try $0.append(name) }
            } catch let error as BusError where error.name == BusError.noSuchUnit {}
        }
    }

    /// Loaded units whose names match a glob.
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

    /// The D-Bus interface that has a property: what all units share, or one type of unit.
    public enum Kind: String, Sendable {
        case unit = "Unit"
        case service = "Service"
        case scope = "Scope"
        case socket = "Socket"
        var interface: String { "org.freedesktop.systemd1.\(rawValue)" }
    }

    /// A property of type string, such as `ActiveState`.
    public func text(_ property: String, of unit: String, _ kind: Kind) async throws -> String {
        try await perform { try Self.property($0, property, of: unit, kind, type: "s").text() ?? "" }
    }

    /// The addresses of a socket unit's `ListenStream=`, as systemd shows them: `[::]:8080`, or a path. None where there is no such unit.
    public func listeningStreams(of unit: String) async throws -> [String] {
        try await perform { bus in
            let reply = try Self.property(bus, "Listen", of: unit, .socket, type: "a(ss)")
            var found: [String] = []
            _ = try reply.enter("a", "(ss)")
            while try reply.enter("r", "ss") {
                let kind = try reply.text()
                if let address = try reply.text(), kind == "Stream" { found.append(address) }
                try reply.leave()
            }
            return found
        }
    }

    /// A property of type int32, such as `ExecMainStatus`, or uint32 where its name ends in `PID`.
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
