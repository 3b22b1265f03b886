import FoundationEssentials
import HostTools

extension Checkup {
    static func user(_ evidence: Evidence) -> [Finding] {
        guard case .seen(let user) = evidence.user else {
            if case .unseen(let reason) = evidence.user { return [.unseen("user", reason)] }
            return []
        }
        guard let uid = user.uid else {
            return [
                Finding(
                    "user", .fault, "autogit.service runs as the user \(user.name), and there is no such user",
                    advice: "create one, or name another with User= under [Service]; then: dpkg-reconfigure autogit", command: "systemctl edit autogit")
            ]
        }
        var findings = [Finding.ok("user", "autogit.service runs as \(user.name) (\(uid))")]
        let isHost = evidence.configuration.isHost
        let sections = evidence.configuration.settled?.sectionsWithCommands ?? []
        // Runners of other machines need nothing of this user's systemd.
        if !isHost && sections.isEmpty { return findings }
        let commands = "the commands of \(sections.joined(separator: " and "))"
        switch user.lingers {
        case .unseen(let reason): findings.append(.unseen("lingering", reason))
        case .seen(true): findings.append(.ok("lingering", "\(user.name)'s systemd stays when \(user.name) logs out"))
        case .seen(false):
            findings.append(
                Finding(
                    "lingering", .fault,
                    "ten seconds after the last logout of \(user.name), systemd ends "
                        + (isHost ? "the engine, all runners and their jobs" : "what runs \(commands)"),
                    command: "loginctl enable-linger \(user.name)", fixable: true))
        }
        switch user.manager {
        case .unseen(let reason): findings.append(.unseen("user-manager", reason))
        case .seen(let unit) where unit.isActive: findings.append(.ok("user-manager", "\(unit.name) runs"))
        case .seen(let unit):
            findings.append(
                Finding(
                    "user-manager", .fault,
                    "\(unit.name) is \(unit["ActiveState"]): without it "
                        + (isHost ? "there is neither a rootless engine nor a scope" : "nothing runs \(commands)"),
                    command: "systemctl start \(unit.name)", fixable: true))
        }
        if isHost { findings += controllers(user, evidence) }
        guard user.isEngineRootless else { return findings }
        if !user.hasMappingPrograms {
            findings.append(
                Finding("subordinate-ids", .fault, "newuidmap and newgidmap are missing, which a rootless engine needs", command: "apt install uidmap"))
        } else if case .seen(let ids) = user.subordinateIDs {
            if ids.users < 65536 || ids.groups < 65536 {
                findings.append(
                    Finding(
                        "subordinate-ids", .fault,
                        "/etc/subuid and /etc/subgid give \(user.name) \(ids.users) and \(ids.groups) ids, and images need 65536 of each",
                        advice: "then, as \(user.name): podman system migrate",
                        command: "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \(user.name)"))
            } else {
                findings.append(.ok("subordinate-ids", "\(user.name) has \(ids.users) subordinate ids"))
            }
        } else if case .unseen(let reason) = user.subordinateIDs {
            findings.append(.unseen("subordinate-ids", reason))
        }
        return findings
    }

    /// Limits of runners are cgroups' work.
    private static func controllers(_ user: Evidence.UserLook, _ evidence: Evidence) -> [Finding] {
        let check = "cgroups"
        switch evidence.controllers {
        case .unseen(let reason): return [.unseen(check, reason)]
        case .seen(let all):
            guard all.contains("memory") else {
                return [
                    Finding(
                        check, .fault, "the kernel has no memory controller, so no runner's memory can be limited",
                        advice: "Raspberry Pi OS starts the kernel without: put cgroup_enable=memory at the end of the one line in /boot/firmware/cmdline.txt "
                            + "(elsewhere: GRUB_CMDLINE_LINUX, without cgroup_disable=memory) and restart the machine; or go without limits: memory = \"none\" in each pool",
                        command: evidence.isRaspberryPi
                            ? "sed -i '1s/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt && reboot"
                            : "sed -i 's/cgroup_disable=memory//' /etc/default/grub && update-grub && reboot")
                ]
            }
            switch user.controllers {
            case .unseen(let reason): return [.unseen(check, reason)]
            case .seen(let given):
                let missing = ["memory", "pids", "cpu"].filter { !given.contains($0) }
                if missing.isEmpty { return [.ok(check, "\(user.name)'s systemd has \(given.joined(separator: ", "))")] }
                return [
                    Finding(
                        check, missing.contains("memory") ? .fault : .warning,
                        "\(user.name)'s systemd was not given \(missing.joined(separator: ", ")): such limits of runners have no effect, or starts fail",
                        advice: "with the lines [Service] and Delegate=cpu cpuset io memory pids; then restart the machine",
                        command: "systemctl edit user@.service")
                ]
            }
        }
    }

    static func kernel(_ evidence: Evidence) -> [Finding] {
        var findings: [Finding] = []
        if case .seen(let user) = evidence.user, user.isEngineRootless {
            switch evidence.userNamespaces {
            case .unseen(let reason): findings.append(.unseen("user-namespaces", reason))
            case .seen(nil): findings.append(.ok("user-namespaces", "the kernel gives them to users"))
            case .seen(let setting?):
                findings.append(
                    Finding(
                        "user-namespaces", .fault, "the kernel keeps user namespaces from users (\(setting)), without which no rootless engine works",
                        command: "echo '\(remedy(setting))' >/etc/sysctl.d/60-rootless.conf && sysctl --system"))
            }
            if !evidence.hasTunnelDevice {
                findings.append(
                    Finding(
                        "tun", .fault, "/dev/net/tun is missing, which rootless networks (slirp4netns, pasta) are made with",
                        advice: "in a container of Proxmox give it the device on the host: lxc.cgroup2.devices.allow: c 10:200 rwm and "
                            + "lxc.mount.entry: /dev/net dev/net none bind,create=dir in /etc/pve/lxc/ID.conf",
                        command: "modprobe tun"))
            }
        }
        switch evidence.clock {
        case .unseen(let reason): findings.append(.unseen("clock", reason))
        case .seen(let clock):
            let offset = clock.ofGitLab.map { clock.now.timeIntervalSince($0) }
            // The first release of GitLab that works with AutoGit is younger.
            if clock.now < Date(timeIntervalSince1970: 1_700_000_000) {
                findings.append(
                    Finding(
                        "clock", .fault, "this machine's clock is years behind: no certificate is valid yet, and times are wrong",
                        advice: "a board without a clock of its own needs time from the network", command: "timedatectl set-ntp true", fixable: true))
            } else if let offset, abs(offset) > 60 {
                findings.append(
                    Finding(
                        "clock", .warning, "this machine's clock is \(Int(abs(offset))) s \(offset < 0 ? "behind" : "ahead of") GitLab's",
                        command: "timedatectl set-ntp true", fixable: true))
            } else if clock.isSynchronized == false, offset == nil {
                findings.append(
                    Finding("clock", .warning, "nothing sets this machine's clock", command: "timedatectl set-ntp true", fixable: true))
            } else {
                findings.append(.ok("clock", offset == nil ? "the clock is set from the network" : "the clock agrees with GitLab's"))
            }
        }
        return findings
    }

    static func disks(_ evidence: Evidence) -> [Finding] {
        evidence.disks.map { disk in
            if disk.free >= disk.least { return .ok("disk", "\(gibibytes(disk.free)) are free for \(disk.what) (\(disk.path))") }
            let isState = disk.what == "the database"
            return Finding(
                "disk", .fault,
                "\(gibibytes(disk.free)) are free for \(disk.what) (\(disk.path)), less than \(gibibytes(disk.least)): "
                    + (isState ? "it can't be written soon" : "no runner is started"),
                advice: isState ? nil : "disk_reserve in [host] is the bound, and prune says what AutoGit may remove by itself",
                command: "du -xh --max-depth=2 \(disk.path) | sort -h | tail")
        }
    }

    // MARK: The engine

    static func engine(_ evidence: Evidence) -> [Finding] {
        let check = "engine"
        // Scopes alone need none, nor do runners on other machines.
        if let settled = evidence.configuration.settled, settled.containerPools.isEmpty, !settled.pools.isEmpty { return [] }
        let user = evidence.user.value?.name ?? "USER"
        let asUser = "systemctl --user --machine=\(user)@ enable --now podman.socket"
        switch evidence.engine {
        case .unseen(let reason): return [.unseen(check, reason)]
        case .seen(let look):
            guard let product = look.product else {
                if case .seen(let unit) = look.unit {
                    if !unit.isInstalled {
                        return [
                            Finding(
                                check, .fault, "no container engine answers at \(look.socket), and \(user) has no podman.socket",
                                command: "apt install podman && \(asUser)")
                        ]
                    }
                    if !unit.isActive {
                        return [
                            Finding(
                                check, .fault, "no container engine answers at \(look.socket): \(user)'s podman.socket is \(unit["ActiveState"])",
                                command: asUser,
                                fixable: true)
                        ]
                    }
                }
                return [
                    Finding(
                        check, .fault, "the engine at \(look.socket) doesn't answer: \(look.complaint ?? "no reason is known")",
                        advice: "its own log says more: journalctl --user-unit podman.service -e, as \(user)",
                        command: "systemctl --user --machine=\(user)@ restart podman.socket")
                ]
            }
            var findings = [Finding.ok(check, "\(product) answers at \(look.socket)")]
            if case .seen(let unit) = look.unit, unit.isInstalled, unit.isActive, !unit.isEnabled {
                findings.append(
                    Finding(
                        "engine-boot", .warning, "\(user)'s podman.socket is not enabled: after a restart of the machine there is no engine", command: asUser,
                        fixable: true))
            }
            if look.storageDriver == "vfs" {
                findings.append(
                    Finding(
                        "engine-storage", .warning,
                        "the engine copies whole images for each container (storage driver vfs): starts are slow and the disk fills",
                        advice: "as \(user): put driver = \"overlay\" under [storage] into ~/.config/containers/storage.conf, then podman system reset",
                        command: "podman system reset"))
            }
            if !look.missingHelpers.isEmpty {
                findings.append(
                    Finding(
                        "engine-network", .fault,
                        "programs are missing that the engine's networks are made with: \(look.missingHelpers.joined(separator: ", "))",
                        command: "apt install \(look.missingHelpers.joined(separator: " "))"))
            }
            return findings
        }
    }

    static func images(_ evidence: Evidence) -> [Finding] {
        evidence.images.map { look in
            let check = "image"
            if look.isPresent {
                if let age = look.age, age > 180 {
                    return Finding(
                        check, .warning,
                        "\(look.image) of the pool \(look.pool) was made \(age) days ago; a runner should not be older than its GitLab by more than a year",
                        advice: "pull = \"newer\" in the pool has it looked for once a day", command: "podman pull \(look.image)")
                }
                return .ok(check, "\(look.image) is there" + (look.age.map { ", \(plural($0, "day")) old" } ?? ""))
            }
            switch look.registry {
            case .seen(200..<300): return .ok(check, "\(look.image) is not there yet, and its registry has it")
            case .seen(401), .seen(403):
                return Finding(
                    check, .fault, "the registry wants a login for \(look.image)", advice: "or [registry.\"HOST\"] in the configuration",
                    command: "podman login \(look.image.split(separator: "/").first ?? "HOST")")
            case .seen(404):
                return Finding(check, .fault, "the registry has no \(look.image): the name in the pool \(look.pool) is wrong", command: "autogitctl check")
            case .seen(429):
                return Finding(
                    check, .warning, "the registry lets no more pulls of \(look.image) through for now (429)", advice: "a login raises the limit",
                    command: "podman login \(look.image.split(separator: "/").first ?? "HOST")")
            case .seen(let status): return Finding(check, .warning, "the registry answers \(status) to a question for \(look.image)")
            case .unseen(let reason): return Finding(check, .warning, "\(look.image) is not there, and its registry could not be asked: \(reason)")
            }
        }
    }

    static func networks(_ evidence: Evidence) -> [Finding] {
        evidence.networks.map { look in
            let (check, pools) = ("network", look.pools.joined(separator: ", "))
            switch look.failure {
            case .unseen(let reason): return .unseen(check, "\(look.url) from a container in the network \(look.network): \(reason)")
            case .seen(nil): return .ok(check, "a container in the network \(look.network) (\(pools)) reaches \(look.url)")
            case .seen(let words?):
                let isLoopback = isLocal(look.url)
                return Finding(
                    check, .fault, "a container in the network \(look.network) (\(pools)) does not reach \(look.url): \(words)",
                    advice: isLoopback
                        ? "in a container that address is the container itself: give runner_url and clone_url in [gitlab] an address of this machine, or "
                            + "http://host.containers.internal:PORT"
                        : "give runner_url (and clone_url) in [gitlab] an address that containers reach; where GitLab runs on this machine, "
                            + "http://host.containers.internal:PORT; or look at the firewall",
                    command: "${EDITOR:-nano} \(evidence.configurationPath)")
            }
        }
    }
}

extension Checkup {
    /// The line for sysctl.d(5) that undoes a setting of the form `key = value`.
    static func remedy(_ setting: String) -> String {
        let key = setting.split(separator: " ").first.map(String.init) ?? setting
        switch key {
        case "user.max_user_namespaces": return "\(key) = 15000"
        case "kernel.apparmor_restrict_unprivileged_userns": return "\(key) = 0"
        default: return "\(key) = 1"
        }
    }
}
