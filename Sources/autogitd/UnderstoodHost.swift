import Fleet
import Settings

extension Understood {
    /// A host for programs.
    struct HostDocument: Encodable {
        var name: String
        /// Absent where it is that of `[engine]`.
        var engine: String?
        var tls: Bool
        /// Absent for other engines, and for the service account of AutoGit's pod.
        var kubeconfig: String?
        /// Absent for the file's current one.
        var context: String?
        /// Absent for the context's or the account's.
        var namespace: String?
        var runner_socket: String?
        var memory_budget_bytes: Int64?
        var cpu_budget: Double?
        var labels: [String]
        var resources: [String: Int]
        /// Absent for what the file says of all.
        var disk_reserve_bytes: Int64?
        /// Absent for never.
        var lost_after: Double?
        /// Absent for a host that is always on.
        var power: Power?

        struct Power: Encodable {
            /// `wol:` and an address, or the path of a program. Its arguments may be secrets.
            var wake: String
            /// Absent where AutoGit sends it nowhere.
            var sleep: String?
            var idle: Double?
            var wake_time: Double
        }

        init(_ settings: HostSettings) {
            let host = settings.host
            name = host.id.name
            engine = settings.engine == .usual ? nil : "\(settings.engine)"
            if case .tcp(_, _, .some) = settings.engine { tls = true } else { tls = false }
            if case .kubernetes(let place) = settings.engine { (kubeconfig, context, namespace) = (place.kubeconfig, place.context, place.namespace) }
            runner_socket = settings.runnerSocket
            memory_budget_bytes = host.budget.memory
            cpu_budget = host.budget.cpus
            labels = host.labels
            resources = host.resources
            disk_reserve_bytes = host.diskReserve
            lost_after = host.lostAfter?.inSeconds
            guard let power = settings.power, let times = host.power else { return }
            let wake = if case .lan(let address) = power.wake { "wol:\(address)" } else { Understood.text(power.wake) }
            self.power = Power(wake: wake, sleep: power.sleep?[0], idle: times.idle?.inSeconds, wake_time: times.wakeTime.inSeconds)
        }
    }
}
