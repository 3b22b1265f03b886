import CSystemd
import Glibc

/// Whether a user's systemd, `user@UID.service`, keeps running while the user is logged out (loginctl(1), `enable-linger`).
///
/// Without lingering logind stops it, with everything in it, ten seconds after the user's last logout (logind.conf(5),
/// `UserStopDelaySec=`). The setting is an empty file with the user's name, which logind reads at boot and loginctl creates.
public struct Lingering: Sendable {
    /// Whose systemd it is.
    public let user: UserRecord
    private let path: String

    /// - Parameter folder: where systemd-logind keeps the files.
    public init(of user: UserRecord, folder: String = "/var/lib/systemd/linger") {
        self.user = user
        path = "\(folder)/\(user.name)"
    }

    /// Only a missing file says so: a folder that can't be read proves nothing.
    public var isOff: Bool { access(path, F_OK) != 0 && errno == ENOENT }

    /// Whether systemd runs this machine (sd_booted(3)); elsewhere nobody lingers, and nobody is logged out.
    public static var isUsedHere: Bool { sd_booted() > 0 }

    /// For operators: what will happen, and what to do about it.
    public var advice: String {
        "Lingering is off for the user \(user.name): ten seconds after the last logout of \(user.name), systemd stops the engine or scopes "
            + "of this user, and with them all runners and their jobs. Switch it on: loginctl enable-linger \(user.name)"
    }
}
