import CSystemd
import Glibc

/// Whether a user's systemd, `user@UID.service`, keeps running while the user is logged out (loginctl(1), `enable-linger`).
///
/// Without lingering logind stops it, with everything in it, ten seconds after the user's last logout (logind.conf(5),
/// `UserStopDelaySec=`). The setting is an empty file with the user's name, which logind reads at boot and loginctl creates.
public struct Lingering: Sendable {
    /// The user in question.
    public let user: UserRecord
    private let path: String

    /// - Parameter folder: where logind keeps the files; another one in tests.
    public init(of user: UserRecord, folder: String = "/var/lib/systemd/linger") {
        self.user = user
        path = "\(folder)/\(user.name)"
    }

    /// Whether the file is missing for certain: an unreadable folder proves nothing, and is false.
    public var isOff: Bool { access(path, F_OK) != 0 && errno == ENOENT }

    /// Whether systemd runs this machine (sd_booted(3)); elsewhere a logout ends nothing.
    public static var isUsedHere: Bool { sd_booted() > 0 }

    /// For operators: the consequence and the remedy.
    public var advice: String {
        "Lingering is off for the user \(user.name): ten seconds after the last logout of \(user.name), systemd stops the engine or scopes "
            + "of this user, and with them all runners and their jobs. To enable it: loginctl enable-linger \(user.name)"
    }
}
