import Fleet
import Settings
import Systemd
import Threads

/// The user that autogit.service runs as on this machine, for `--check`, which another user runs.
enum ServiceUser: Equatable {
    /// There is no systemd, or the unit isn't installed.
    case unknown
    /// `User=` names a user that does not exist.
    case missing(String)
    case found(UserRecord)

    /// Asks systemd, which knows the unit with all its drop-ins.
    static func ofUnit(_ unit: String = "autogit.service") async -> ServiceUser {
        let manager = UnitManager(address: "unix:path=/run/dbus/system_bus_socket")
        guard let state = try? await manager.text("LoadState", of: unit, .unit), state == "loaded",
            let user = try? await manager.text("User", of: unit, .service)
        else { return .unknown }
        // A service without User= runs as root.
        let name = user.isEmpty ? "root" : user
        // A directory service may be asked.
        do {
            return try await onThread("looking a user up") { UserRecord.find(name) }.map(Self.found) ?? .missing(name)
        } catch {
            return .unknown
        }
    }

    /// Where there is no systemd, the daemon may run all the same.
    static func isRunning(_ unit: String = "autogit.service") async -> Bool {
        let manager = UnitManager(address: "unix:path=/run/dbus/system_bus_socket")
        guard let state = try? await manager.text("ActiveState", of: unit, .unit) else { return true }
        return state == "active" || state == "reloading"
    }

    /// Warnings of files that whoever checks the configuration may read, and the service may not.
    func unreadable(_ files: [ServiceFile]) async -> [String] {
        guard case .found(let user) = self else { return [] }
        return await FileReader.ofUnit(user)?.warnings(for: files) ?? []
    }

    func warnings(for settings: Settings) -> [String] {
        switch self {
        case .unknown: return []
        case .missing(let name):
            return [
                "autogit.service runs as the user \(name), and there is no such user. Create one, or name another: systemctl edit autogit.service, "
                    + "with User= under [Service]; then: dpkg-reconfigure autogit"
            ]
        case .found(let user):
            // Without a configured socket, all that the daemon tries belong to the same user as the usual one.
            var needed = RunnerUsers(engineSocket: settings.engineSocket ?? Daemon.usualEngine, serviceUser: user.uid)
                .notLingering(for: Set(settings.poolsHere.flatMap(\.places).map(\.kind))).map(\.advice)
            // Commands are run by the systemd of the service's user, whatever the pools are.
            let commands = settings.sectionsWithCommands
            if !commands.isEmpty, let lingering = RunnerUsers.find(user.uid), lingering.isOff, !needed.contains(lingering.advice) {
                needed.append(
                    "the commands of \(commands.joined(separator: " and ")) are run by the systemd of the user \(user.name), which runs only while "
                        + "that user is logged in: loginctl enable-linger \(user.name)")
            }
            return needed
        }
    }
}
