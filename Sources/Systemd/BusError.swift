import CSystemd
import Fleet
import Glibc

/// What went wrong on the bus, with the D-Bus error's name where there is one.
public struct BusError: DriverFailure, Sendable, CustomStringConvertible {
    /// The name of the error reply, or of the error that sd-bus made of its own trouble; nil where there was neither.
    public var name: String?
    /// What was being done, and what was said about it.
    public var message: String
    /// errno(3), such as `ETIMEDOUT`.
    public var code: Int32
    /// The message.
    public var description: String { message }

    /// - Parameter code: as sd-bus returns it: a negated error number.
    init(_ what: String, code: Int32, name: String? = nil, detail: String? = nil) {
        self.name = name
        self.code = -code
        message = "\(what): \(detail ?? String(cString: strerror(-code)))"
    }

    init(_ what: String, _ error: sd_bus_error, code: Int32) {
        let name = error.name.map { String(cString: $0) }
        self.init(what, code: code, name: name, detail: error.message.map { String(cString: $0) } ?? name)
    }

    /// The error reply for a unit that systemd doesn't know (org.freedesktop.systemd1(5)).
    public static let noSuchUnit = "org.freedesktop.systemd1.NoSuchUnit"

    /// There is no bus, no systemd on it, or no answer in time. An error that systemd replied is none.
    public var isOutage: Bool {
        guard let name else { return Self.connectionTrouble.contains(code) }
        if Self.outageNames.contains(name) { return true }
        // What sd-bus calls those error numbers that D-Bus has no name for.
        return name.hasPrefix("System.Error.") && Self.connectionTrouble.contains(code)
    }

    /// connect(2), and what reading from or writing to a connection meets.
    private static let connectionTrouble: Set<Int32> = [
        ENOENT, ECONNREFUSED, EACCES, EPERM, ENOTCONN, ECONNRESET, ECONNABORTED, EPIPE, ESHUTDOWN, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH, EMFILE, ENFILE,
        ENOMEM, ENOBUFS, EAGAIN,
    ]

    /// The D-Bus specification's, of the bus itself and of a reply that did not come.
    private static let outageNames = Set(
        ["NoReply", "Timeout", "TimedOut", "Disconnected", "NoServer", "ServiceUnknown", "NameHasNoOwner", "NoMemory", "LimitsExceeded"]
            .map { "org.freedesktop.DBus.Error.\($0)" })
}
