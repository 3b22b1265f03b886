import ArgumentParser
import ControlModel
import FoundationEssentials

/// The exit statuses that scripts can tell apart; those above 63 are the ones of sysexits.h(3head).
extension ExitCode {
    static let notFound = ExitCode(3)
    static let conflict = ExitCode(4)
    static let unavailable = ExitCode(69)
    static let noPermission = ExitCode(77)
}

/// A command that could not be carried out.
struct Failure: Error, Equatable {
    /// What happened, and what the operator can do.
    var message: String
    var status: ExitCode

    init(_ message: String, _ status: ExitCode) {
        self.message = message
        self.status = status
    }

    /// The daemon answered with an error.
    /// - Parameter body: a problem document (RFC 9457), whose detail is for people, or something else.
    static func refused(status: Int, body: [UInt8]) -> Failure {
        let exit: ExitCode =
            switch status {
            case 404: .notFound
            case 409: .conflict
            case 503: .unavailable
            default: .failure
            }
        let problem = try? JSONDecoder().decode(Problem.self, from: Data(body))
        return Failure(problem?.detail ?? "the daemon answered \(status) without a reason; see: journalctl -u autogit", exit)
    }

    /// The daemon did not answer.
    /// - Parameters:
    ///   - reason: the transfer's error.
    ///   - isForbidden: whether the socket exists and this user may not use it.
    static func unreachable(socket: String, reason: String, isForbidden: Bool) -> Failure {
        if isForbidden {
            return Failure(
                "no permission to use \(socket); run this with sudo, or join the group autogit (usermod -aG autogit $USER) and log in again", .noPermission)
        }
        return Failure(
            "the daemon does not answer at \(socket) (\(reason)); see: systemctl status autogit.socket autogit-control.socket autogit", .unavailable)
    }
}
