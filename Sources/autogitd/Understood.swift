import Fleet
import Settings

/// What `--check` prints: the whole configuration as understood, without secrets.
struct Understood: CustomStringConvertible {
    let settings: Settings
    init(_ settings: Settings) { self.settings = settings }

    var description: String {
        var lines = [
            "configuration is valid",
            "gitlab    \(settings.gitlab.url), token set, webhook secret \(settings.gitlab.webhookSecret == nil ? "not set" : "set")",
            "polling   \(settings.gitlab.pollInterval == .zero ? "off" : "every " + settings.gitlab.pollInterval.text)"
                + (settings.gitlab.projects.isEmpty ? "" : " of " + settings.gitlab.projects.joined(separator: ", ")),
            "listen    \(settings.httpHost):\(settings.httpPort) and \(settings.controlSocket)",
            "state     \(settings.stateDirectory)",
            "engine    \(settings.engineSocket ?? "the first that answers")",
            "budget    memory \((settings.budget.memory ?? 0) >> 20) MiB, CPUs \(settings.budget.cpus.map { "\($0)" } ?? "unbounded")",
        ]
        for pool in settings.pools {
            lines.append(
                "pool      \(pool.name): tags \(pool.tags.joined(separator: ","))\(pool.runUntagged ? " and untagged" : ""), "
                    + "image \(pool.image), \(pool.cpus) CPUs, \(pool.memory >> 20) MiB, at most \(pool.maxRunners), "
                    + "warm \(pool.warm), cooldown \(pool.cooldown.text), max_jobs \(pool.maxJobs)")
        }
        return lines.joined(separator: "\n")
    }
}
