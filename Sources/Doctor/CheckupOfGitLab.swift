import HostTools

extension Checkup {
    static func gitlab(_ evidence: Evidence) -> [Finding] {
        let check = "gitlab"
        let url = evidence.configuration.settled?.url ?? "GitLab"
        switch evidence.gitlab {
        case .notAsked(let reason): return [.unseen(check, reason)]
        case .reached: return [.ok(check, "\(url) answers, and takes the token")]
        case .refused(let words):
            return [Finding(check, .fault, words, advice: "the token is wrong, has expired, or was revoked", command: "autogitctl token set")]
        case .failed(let words): return [Finding(check, .fault, "\(url): \(words)", command: "curl -v \(url)/api/v4/version")]
        }
    }

    static func token(_ evidence: Evidence) -> [Finding] {
        guard case .reached = evidence.gitlab else { return [] }
        switch evidence.token {
        case .unseen(let reason): return [.unseen("token", reason)]
        case .seen(let token):
            var findings = token.lacks.map { Finding("token", .fault, $0, advice: "make a new token with what it lacks", command: "autogitctl token set") }
            if findings.isEmpty { findings.append(.ok("token", "it may do what the configuration wants")) }
            switch token.daysLeft {
            case nil: break
            case .some(..<0): findings.append(Finding("token-expiry", .fault, "the token has expired", command: "autogitctl token set"))
            case .some(let days) where days <= 14:
                findings.append(
                    Finding("token-expiry", .warning, "the token expires \(days == 0 ? "today" : "in \(plural(days, "day"))")", command: "autogitctl token set")
                )
            case .some(let days): findings.append(.ok("token-expiry", "the token is good for \(days) days"))
            }
            return findings
        }
    }

    static func webhook(_ evidence: Evidence) -> [Finding] {
        guard let look = evidence.webhook else { return [] }
        let check = "webhook-address"
        switch look.failure {
        case .unseen(let reason): return [.unseen(check, "\(look.url) from a container: \(reason)")]
        case .seen(nil): return [.ok(check, "GitLab's container reaches AutoGit at \(look.url)")]
        case .seen(let words?):
            return [
                Finding(
                    check, .warning, "GitLab's container does not reach AutoGit at \(look.url), so jobs are found by polling only: \(words)",
                    advice:
                        "in [gitlab] write webhook_url = \"\(ContainerHost.url(look.url) ?? "")\", or another address that leads here, restart autogit, and run "
                        + "autogitctl hook install for each project",
                    command: "${EDITOR:-nano} \(evidence.configurationPath)")
            ]
        }
    }

    static func hooks(_ evidence: Evidence) -> [Finding] {
        evidence.hooks.map { hook in
            let (check, install) = ("hook", "autogitctl hook install \(hook.project)")
            switch hook.isOff {
            case .unseen(let reason): return .unseen(check, "\(hook.project): \(reason)")
            case .seen(nil):
                return Finding(check, .warning, "\(hook.project) has no job webhook to this machine: its jobs are found by polling only", command: install)
            case .seen(true):
                return Finding(
                    check, .fault,
                    "GitLab has turned the webhook of \(hook.project) off, after failures" + (hook.lastAnswer.map { "; the last answer: \($0)" } ?? ""),
                    command: install, fixable: true)
            case .seen(false):
                if let answer = hook.lastAnswer, !answer.hasPrefix("2") {
                    return Finding(
                        check, .warning, "the last delivery of \(hook.project)'s webhook was answered with \(answer)", command: "journalctl -u autogit -e")
                }
                return .ok(check, "\(hook.project)'s webhook is on" + (hook.lastAnswer.map { ", last answered with \($0)" } ?? ""))
            }
        }
    }

    static func rivals(_ evidence: Evidence) -> [Finding] {
        switch evidence.rivals {
        // Nothing else depends on it.
        case .unseen: []
        case .seen(let rivals) where rivals.isEmpty: [.ok("other-runners", "no other runner takes the jobs of these projects")]
        case .seen(let rivals):
            [
                Finding(
                    "other-runners", .warning, "other runners may take jobs before those of AutoGit: \(rivals.joined(separator: "; "))",
                    advice: "pause them in GitLab (Admin or the project, CI/CD, Runners), or give them other tags")
            ]
        }
    }

    // MARK: The daemon's own word

    static func daemon(_ evidence: Evidence) -> [Finding] {
        switch evidence.daemon {
        case .unseen(let reason):
            // The service's check says why it isn't running.
            var findings = [Finding.unseen("daemon", reason)]
            let others = evidence.configuration.settled?.otherHosts ?? []
            if !others.isEmpty {
                findings.append(.unseen("hosts", "only the daemon looks at other hosts (\(others.joined(separator: ", "))), while it runs"))
            }
            return findings
        case .seen(let daemon):
            var findings: [Finding] = []
            if !evidence.version.isEmpty, daemon.version != evidence.version {
                findings.append(
                    Finding(
                        "version", .warning, "the daemon that runs is \(daemon.version), and \(evidence.version) is installed",
                        command: "systemctl restart autogit",
                        fixable: true))
            }
            for (check, state) in [("daemon-gitlab", daemon.gitlab), ("daemon-engine", daemon.engine), ("daemon-store", daemon.store)]
            where !["ok", "unknown"].contains(state) {
                findings.append(Finding(check, .fault, "the daemon says: \(state)", command: "journalctl -u autogit -e"))
            }
            findings += daemon.warnings.map { Finding("daemon", .warning, $0) }
            findings += daemon.failingPools.map {
                Finding("pool", .fault, "runners of the pool \($0.name) fail to start: \($0.error)", command: "autogitctl logs")
            }
            findings += daemon.pausedPools.map { Finding("pool", .warning, "the pool \($0) is paused", command: "autogitctl resume \($0)") }
            findings += daemon.hosts.flatMap(host)
            findings += daemon.waiting.sorted { ($0.value, $1.key) > ($1.value, $0.key) }.map { reason, count in
                Finding("waiting", .warning, "\(plural(count, "job")) \(count == 1 ? "waits" : "wait"): \(reason)", command: "autogitctl jobs")
            }
            if findings.isEmpty { findings.append(.ok("daemon", "AutoGit \(daemon.version) has nothing to complain of")) }
            return findings
        }
    }

    /// What is wrong over there, the daemon has seen; who comes without its key can't see more.
    private static func host(_ host: Evidence.HostLook) -> [Finding] {
        if host.isAway {
            let why = host.remarks.isEmpty ? "" : ": " + host.remarks.joined(separator: "; ")
            return [Finding("host", .fault, "the host \(host.name) does not answer\(why)", command: "journalctl -u autogit -e")]
        }
        let drained = host.isDrained ? [Finding("host", .warning, "the host \(host.name) is drained", command: "autogitctl hosts resume \(host.name)")] : []
        return drained + host.remarks.map { Finding("host", .warning, "of the host \(host.name): \($0)", command: "autogitctl hosts") }
    }
}
