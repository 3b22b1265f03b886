import HostTools

/// The checks: pure functions from what was seen to what that means. Each says what was seen, and where something is wrong, the one command that
/// mends it.
public enum Checkup {
    /// In the order in which one reads them.
    public static func diagnosis(of evidence: Evidence) -> Diagnosis {
        var findings: [Finding] = []
        if !evidence.isRoot {
            findings.append(
                Finding("root", .warning, "this is not root, who alone sees units, credentials and the engine in full", command: "sudo autogitctl doctor"))
        }
        findings += configuration(evidence) + credential(evidence) + service(evidence) + sockets(evidence)
        findings += user(evidence) + kernel(evidence) + disks(evidence)
        findings += engine(evidence) + images(evidence) + networks(evidence)
        findings += gitlab(evidence) + token(evidence) + webhook(evidence) + hooks(evidence) + rivals(evidence)
        findings += daemon(evidence)
        return Diagnosis(findings)
    }

    // MARK: What is on this machine of AutoGit

    static func configuration(_ evidence: Evidence) -> [Finding] {
        let path = evidence.configurationPath
        switch evidence.configuration {
        case .missing:
            return [
                Finding(
                    "configuration", .fault, "there is none: \(path) is missing or holds nothing but comments", command: "autogitctl setup")
            ]
        case .invalid(let errors):
            return [
                Finding(
                    "configuration", .fault, errors.joined(separator: "; "), advice: "the keys are described in man autogit.toml",
                    command: "autogitctl check --config \(path)")
            ]
        case .valid(let settled):
            var findings = [
                Finding.ok("configuration", "\(path) is valid: \(settled.url), \(plural(settled.pools.count, "pool"))")
            ]
            findings += settled.warnings.map { Finding("configuration", .warning, $0) }
            if !settled.hasWebhookSecret {
                findings.append(
                    Finding(
                        "webhook-secret", .warning, "there is none, so webhooks are refused and jobs are found by polling only",
                        command: "(umask 077; head -c 24 /dev/urandom | base64 | tr -d '/+=' >/etc/autogit/webhook-secret) && systemctl restart autogit"))
            }
            if settled.pollSeconds == 0 {
                findings.append(
                    Finding(
                        "polling", .warning, "polling is off: a job whose webhook is lost is never found",
                        advice: "give poll_interval in [gitlab] a time, such as \"30s\""))
            }
            return findings
        }
    }

    static func credential(_ evidence: Evidence) -> [Finding] {
        let (check, credential) = ("token-file", evidence.credential)
        if credential.isElsewhere { return [.ok(check, "the configuration names it (token_file)")] }
        if credential.sealed.exists, credential.loadsSealed == true {
            guard credential.plain.exists else { return [.ok(check, "\(TokenFiles.sealed), encrypted for this machine")] }
            return [
                Finding(
                    check, .warning, "\(TokenFiles.plain) still holds a token in the clear beside the encrypted one, which is the one in use",
                    command: "rm \(TokenFiles.plain)")
            ]
        }
        switch credential.plain {
        case .missing:
            return [Finding(check, .fault, "there is no access token for GitLab: \(TokenFiles.plain) is missing", command: "autogitctl token set")]
        case .unreadable(let reason):
            return [.unseen(check, "\(TokenFiles.plain): \(reason)")]
        case .other:
            return [Finding(check, .fault, "\(TokenFiles.plain) is not a file", command: "autogitctl token set")]
        case .text(let text, let mode, _):
            if text.allSatisfy(\.isWhitespace) {
                return [Finding(check, .fault, "\(TokenFiles.plain) is empty", command: "autogitctl token set")]
            }
            if mode & 0o007 != 0 {
                return [
                    Finding(
                        check, .fault, "every user of this machine can read \(TokenFiles.plain)",
                        command: "chmod 600 \(TokenFiles.plain)", fixable: true)
                ]
            }
            if credential.loadsPlain == false {
                return [
                    Finding(
                        check, .fault,
                        "\(TokenFiles.plain) is there, but the unit doesn't pass it on: a drop-in clears LoadCredential=, as images of Incus and LXD have one",
                        advice: "name the file to the daemon itself: token_file in [gitlab], readable by the service's user; or take the drop-in away "
                            + "(systemctl cat autogit shows it)",
                        command: "install -o 1000 -m 400 \(TokenFiles.plain) /etc/autogit/token-of-the-service")
                ]
            }
            return [.ok(check, "\(TokenFiles.plain), for root only")]
        }
    }

    static func service(_ evidence: Evidence) -> [Finding] {
        let check = "service"
        switch evidence.service {
        case .unseen(let reason): return [.unseen(check, reason)]
        case .seen(let unit):
            if unit.isMasked { return [Finding(check, .fault, "autogit.service is masked", command: "systemctl unmask autogit", fixable: true)] }
            guard unit.isInstalled else {
                return [Finding(check, .fault, "autogit.service is not installed", command: "apt install --reinstall autogit")]
            }
            var findings: [Finding] = []
            if unit.isActive {
                findings.append(.ok(check, "autogit.service runs"))
                if let restarts = Int(unit["NRestarts"]), restarts > 2 {
                    findings.append(
                        Finding("restarts", .warning, "it was restarted \(restarts) times after failures", command: "journalctl -u autogit -p warning -e"))
                }
                if unit["NeedDaemonReload"] == "yes" {
                    findings.append(
                        Finding(
                            "units", .warning, "systemd runs it by older unit files than those on the disk", command: "systemctl daemon-reload", fixable: true))
                }
            } else {
                findings.append(stopped(unit, evidence))
            }
            if !unit.isEnabled {
                findings.append(
                    Finding("boot", .warning, "autogit.service does not start at boot", command: "systemctl enable autogit", fixable: true))
            }
            return findings
        }
    }

    /// Why the service does not run. The exit statuses above 200 are systemd's own (systemd.exec(5)).
    private static func stopped(_ unit: UnitLook, _ evidence: Evidence) -> Finding {
        let check = "service"
        let status = Int(unit["ExecMainStatus"]) ?? 0
        switch (unit["Result"], status) {
        case (_, 226) where evidence.container.value.map({ $0 != "none" }) == true:
            return Finding(
                check, .fault,
                "systemd could not set its sandbox up (226/NAMESPACE), because this machine is a container (\(evidence.container.value ?? "")) that may not mount",
                advice: "on the host of the container switch nesting on; in Proxmox: Options, Features, nesting=1; in Incus or LXD: "
                    + "incus config set NAME security.nesting true; then restart the container",
                command: "pct set ID --features nesting=1")
        case (_, 226):
            return Finding(check, .fault, "systemd could not set its sandbox up (226/NAMESPACE)", command: "journalctl -u autogit -b -e")
        case (_, 217):
            return Finding(
                check, .fault, "the user that it is to run as does not exist (217/USER)", advice: "name one with User= under [Service]",
                command: "systemctl edit autogit")
        case (_, 243):
            return Finding(check, .fault, "systemd could not pass its credentials on (243/CREDENTIALS)", command: "journalctl -u autogit -b -e")
        case (_, 78):
            return Finding(check, .fault, "it stopped because the configuration has errors", command: "autogitctl check")
        case ("start-limit-hit", _):
            return Finding(
                check, .fault, "it failed too often in a row, and systemd has given up", advice: "journalctl -u autogit -e says why",
                command: "systemctl reset-failed autogit.service autogit.socket && systemctl start autogit")
        case ("watchdog", _):
            return Finding(check, .fault, "it hung, and systemd killed it", command: "systemctl restart autogit")
        case ("oom-kill", _):
            return Finding(check, .fault, "the kernel killed it for want of memory", command: "journalctl -k -b -g oom")
        default:
            let how = unit["ActiveState"] == "failed" ? "failed (\(unit["Result"]), status \(status))" : "is not running (\(unit["ActiveState"]))"
            return Finding(check, .fault, "autogit.service \(how)", command: "systemctl start autogit", fixable: unit["ActiveState"] != "failed")
        }
    }

    static func sockets(_ evidence: Evidence) -> [Finding] {
        var findings: [Finding] = []
        for (check, look) in [("webhook-socket", evidence.socket), ("control-socket", evidence.controlSocket)] {
            switch look {
            case .unseen(let reason): findings.append(.unseen(check, reason))
            case .seen(let unit):
                if unit.isActive {
                    findings.append(.ok(check, "\(unit.name) listens on \(unit["Listen"].replacing(" (Stream)", with: ""))"))
                } else if check == "webhook-socket", let owner = evidence.portOwner {
                    findings.append(
                        Finding(
                            check, .fault, "\(unit.name) could not be opened: its port is in use by \(owner)",
                            advice: "GitLab's own web worker has 127.0.0.1:8080 where GitLab runs on this machine. Choose another port: the lines [Socket], "
                                + "ListenStream= and ListenStream=8090; then systemctl restart autogit.socket, and autogitctl hook install for each project",
                            command: "systemctl edit autogit.socket"))
                } else if !unit.isInstalled {
                    findings.append(Finding(check, .fault, "\(unit.name) is not installed", command: "apt install --reinstall autogit"))
                } else {
                    findings.append(
                        Finding(
                            check, .fault, "\(unit.name) is \(unit["ActiveState"])\(unit["ActiveState"] == "failed" ? " (\(unit["Result"]))" : "")",
                            command: "systemctl restart \(unit.name)", fixable: true))
                }
            }
        }
        if let settled = evidence.configuration.settled, settled.isLoopback, !isLocal(settled.url) {
            findings.append(
                Finding(
                    "webhook-socket", .warning, "webhooks are taken on \(settled.listening) only, and GitLab is on another machine",
                    advice: "unless a proxy passes them on, change ListenStream= there", command: "systemctl edit autogit.socket"))
        }
        return findings
    }

    // MARK: Words

    static func plural(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }

    static func isLocal(_ url: String) -> Bool {
        let host = url.split(separator: "/").dropFirst().first ?? ""
        return ["localhost", "127.", "[::1]"].contains { host.hasPrefix($0) }
    }
}
