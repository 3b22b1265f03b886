import Fleet
import Systemd

/// Runs commands as transient units of the service user's own systemd: a process that this daemon forked would inherit the daemon's sandbox, in which
/// there is no home to write to, and no sendmail that may become another user.
public struct CommandUnits: CommandRunner {
    private let manager: UnitManager
    private let clock: any WallClock
    private let identifier: String
    private let description: String

    /// - Parameters:
    ///   - manager: the user's own.
    ///   - identifier: by which journalctl(1) knows the commands' output, and the units' names begin.
    ///   - description: of the units.
    public init(
        manager: UnitManager, identifier: String = "autogit-notify", description: String = "AutoGit notification", clock: any WallClock = SystemClock()
    ) {
        self.manager = manager
        self.identifier = identifier
        self.description = description
        self.clock = clock
    }

    /// EX_TEMPFAIL of sysexits.h(3head): the command asks to be run again.
    static let tryAgain: Int64 = 75
    /// From the end of its time until systemd kills it.
    private static let patience = Duration.seconds(5)

    public func run(_ command: [String], input: [UInt8], environment: [String: String], timeout: Duration, id: String) async -> DeliveryOutcome {
        let unit = "\(identifier)-\(id).service"
        do {
            try await manager.startTransient(unit, properties(command, input: input, environment: environment, timeout: timeout))
        } catch {
            return await failure(toStart: unit, error)
        }
        do {
            let outcome = try await result(of: unit, within: timeout + Self.patience)
            // One that failed is kept for those who ask, and there is nothing more to ask.
            try? await manager.resetFailed(unit)
            return outcome
        } catch {
            return .failed("the user's systemd does not say how it went: \(error)")
        }
    }

    func properties(_ command: [String], input: [UInt8], environment: [String: String], timeout: Duration) -> [UnitProperty] {
        [
            .text("Description", description), .text("Type", "exec"), .command(command), .text("SyslogIdentifier", identifier),
            .text("StandardInput", "data"), .bytes("StandardInputData", input), .text("StandardOutput", "journal"), .text("StandardError", "journal"),
            .texts("Environment", environment.map { "\($0.key)=\($0.value)" }.sorted()),
            .number("RuntimeMaxUSec", UInt64(max(1, timeout.milliseconds)) * 1000), .number("TimeoutStopUSec", UInt64(Self.patience.milliseconds) * 1000),
        ]
    }

    private func failure(toStart unit: String, _ error: any Error) async -> DeliveryOutcome {
        if (error as? BusError)?.isOutage == true {
            return .failed(
                "commands are run by the systemd of the service's user, which does not answer (\(error)): loginctl enable-linger USER has it run without a login"
            )
        }
        // The start of a unit of type exec fails with the program's execve(2), and also with a program that ends before systemd looks.
        let result = try? await manager.text("Result", of: unit, .service)
        let code = try? await manager.number("ExecMainStatus", of: unit, .service)
        try? await manager.resetFailed(unit)
        guard let result, let code, result != "success" else { return .refused("it can't be started: \(error)") }
        return judge(result: result, code: code)
    }

    private func result(of unit: String, within time: Duration) async throws -> DeliveryOutcome {
        let end = clock.now() + time + Self.patience
        var wait = Duration.milliseconds(20)
        while true {
            switch try await manager.text("ActiveState", of: unit, .unit) {
            // A unit that ended well is unloaded.
            case "inactive": return .delivered
            case "failed":
                return judge(
                    result: try await manager.text("Result", of: unit, .service), code: try await manager.number("ExecMainStatus", of: unit, .service))
            default: break
            }
            guard clock.now() < end else { return .failed("it does not end") }
            try await clock.sleep(for: wait)
            wait = min(.seconds(1), wait * 2)
        }
    }

    /// - Parameters:
    ///   - result: `Result` of the unit (org.freedesktop.systemd1(5)).
    ///   - code: its exit code or signal.
    func judge(result: String, code: Int64) -> DeliveryOutcome {
        let look = "journalctl -t \(identifier) has its output"
        switch result {
        case "exit-code" where code == Self.tryAgain: return .failed("it ended with \(code) and wants to be run again; \(look)")
        // systemd's own, before the program's execve(2) or at it (systemd.exec(5)).
        case "exit-code" where (200...245).contains(code):
            return .refused("it can't be started (\(code)): is it there, and executable for the service's user?")
        case "exit-code": return .refused("it ended with \(code); \(look)")
        case "timeout": return .refused("it took longer than timeout, and was ended; \(look)")
        case "signal", "core-dump": return .refused("it was ended by signal \(code); \(look)")
        default: return .refused("it failed (\(result)); \(look)")
        }
    }
}
