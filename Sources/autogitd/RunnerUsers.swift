import Fleet
import Systemd

/// The users whose systemd holds the runners: a rootless engine, or the scopes.
struct RunnerUsers: Sendable {
    private let ofScopes: Lingering?
    private let ofEngine: Lingering?

    /// - Parameters:
    ///   - engineSocket: a user's when it is under `/run/user/UID`
    ///   - serviceUser: the user of this service, whose systemd holds the scopes
    ///   - find: a user's lingering; nil where there is no such user, or no systemd
    init(engineSocket: String, serviceUser: UInt32, find: (UInt32) -> Lingering? = Self.find) {
        ofScopes = find(serviceUser)
        ofEngine = Self.user(ofSocket: engineSocket).flatMap(find)
    }

    static func find(_ uid: UInt32) -> Lingering? {
        Lingering.isUsedHere ? UserRecord.find("\(uid)").map { Lingering(of: $0) } : nil
    }

    static func user(ofSocket path: String) -> UInt32? {
        let parts = path.split(separator: "/")
        return parts.count > 3 && parts[0] == "run" && parts[1] == "user" ? UInt32(parts[2]) : nil
    }

    /// The users at whose last logout runners of these drivers would end; each user once.
    func notLingering(for drivers: Set<DriverKind>) -> [Lingering] {
        let scopes = drivers.contains(.scope) ? ofScopes : nil
        let engine = drivers.contains(.container) && ofEngine?.user != scopes?.user ? ofEngine : nil
        return [scopes, engine].compactMap { $0 }.filter(\.isOff)
    }
}
