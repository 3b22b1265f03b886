import ControlModel
import Settings

/// Hosts that the configuration does not have and that still have runners.
enum HostsTakenOut {
    /// A sentence for each, for `--check`.
    /// - Parameter runners: the daemon's, all that live.
    static func warnings(for settings: Settings, _ runners: [RunnerView]) -> [String] {
        let configured = Set(settings.hosts.map(\.host.id.name))
        let left = Dictionary(grouping: runners.filter { $0.phase != "removed" && !configured.contains($0.host ?? "local") }) { $0.host ?? "local" }
        return left.sorted { $0.key < $1.key }.map { host, runners in
            let busy = runners.count { $0.current_job != nil }
            let jobs = busy == 0 ? "none of them with a job" : "\(busy) of them with a job"
            return
                "\(runners.count) runner\(runners.count == 1 ? "" : "s"), \(jobs), \(runners.count == 1 ? "is" : "are") on the host \(host), which has no section [[host]]: "
                + "it is drained, and nothing else is started there; autogitctl runners shows them"
        }
    }
}
