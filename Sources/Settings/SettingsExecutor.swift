import Fleet

/// Rules about what carries out a pool's jobs.
extension SettingsReader {
    mutating func checkExecutor(_ pool: Pool, _ section: Section) {
        let docker = section.nested("docker")
        if pool.executor == .shell {
            for key in (docker.table?.keys ?? []).sorted() {
                fail(docker, key, "has no effect with executor = \"shell\"; remove it, or set executor = \"docker\"")
            }
            for key in ["runner_cpus", "runner_memory"] where section.table?[key] != nil {
                fail(section, key, "has no effect with executor = \"shell\", where a runner and its job are one: set cpus and memory")
            }
        }
        if pool.docker.pullPolicy.isEmpty { fail(docker, "pull_policy", "must not be empty, for example [\"if-not-present\"]") }
        let mounted = Set(pool.mounts.compactMap(Self.target))
        for volume in pool.docker.volumes where pool.executor == .docker {
            if let target = Self.target(volume), mounted.contains(target) {
                fail(docker, "volumes", "\(target) is in mounts, too: remove one of the two")
            }
        }
        checkEngineSocket(pool, section, docker)
        checkCache(pool, section)
        checkRunnerSettings(pool, section)
    }

    /// Where a volume or mount is seen in the container.
    private static func target(_ volume: String) -> Substring? {
        let parts = volume.split(separator: ":")
        return parts.count > 1 ? parts[1] : parts.first
    }

    /// The engine's socket makes whoever has it the engine's user.
    private mutating func checkEngineSocket(_ pool: Pool, _ section: Section, _ docker: Section) {
        guard pool.executor == .docker, !pool.docker.allowEngineSocket else { return }
        for (place, key, volumes) in [(section, "mounts", pool.mounts), (docker, "volumes", pool.docker.volumes)] {
            for volume in volumes where Self.isEngineSocket(volume) {
                fail(
                    place, key,
                    "\"\(volume)\" gives jobs the engine: whoever has it can read every file of the engine's user, and every other job's secrets; "
                        + "if that is what you want, set allow_engine_socket = true in [pool.docker]")
            }
        }
    }

    /// The sockets of the usual engines, and folders that contain them.
    private static func isEngineSocket(_ volume: String) -> Bool {
        var host = String(volume.prefix { $0 != ":" })
        guard host.hasPrefix("/") else { return false }
        while host.count > 1, host.hasSuffix("/") { host.removeLast() }
        if host.hasSuffix(".sock") { return true }
        return ["/", "/run", "/var/run", "/run/user", "/var/run/user", "/run/podman", "/var/run/podman"].contains(host)
            || host.firstMatch(of: /^(\/var)?\/run\/user\/[0-9]+(\/podman)?$/) != nil
    }

    /// Keys of gitlab-runner that AutoGit sets itself.
    private mutating func checkRunnerSettings(_ pool: Pool, _ section: Section) {
        let runner = section.nested(SettingsSchema.runnerSection)
        var typed = SettingsSchema.runnerKeysTyped
        var refused = SettingsSchema.runnerKeysRefused
        if pool.cache.kind == .s3 {
            typed.merge(SettingsSchema.runnerKeysOfS3) { mine, _ in mine }
            refused.insert("cache.Shared")
        }
        var barred = SettingsSchema.kubernetesKeysBarred
        if pool.executor == .docker, pool.hardware.gpu != nil || !pool.kubernetes.tolerationsFitRunner {
            barred["kubernetes.pod_spec"] = "is AutoGit's own to set in a pool with gpu, and with tolerations for a time or of several effects: remove it"
        }
        for key in Self.paths(pool.runnerSettings).sorted() {
            // gitlab-runner's parser doesn't tell capitals.
            func same(_ other: String) -> Bool { other.lowercased() == key.lowercased() }
            if same("environment") {
                fail(runner, key, "is what env in [[pool]] sets; write it there")
            } else if refused.contains(where: same) {
                fail(runner, key, "is AutoGit's own to set: remove it")
            } else if same("cache.Type"), case .string(let kind) = Self.value(at: key, in: pool.runnerSettings), kind.lowercased() == "s3" {
                fail(runner, key, "has a setting of its own: use kind = \"s3\" in [pool.cache]")
            } else if let setting = typed.first(where: { same($0.key) })?.value {
                fail(runner, key, "has a setting of its own: use \(setting)")
            } else if let complaint = barred.first(where: { same($0.key) })?.value {
                fail(runner, key, complaint)
            }
        }
    }

    /// The keys, and those of tables within them, with a dot between; the tables, too.
    private static func paths(_ settings: [String: RunnerSetting]) -> [String] {
        settings.flatMap { key, value -> [String] in
            if case .table(let entries) = value { [key] + paths(entries).map { "\(key).\($0)" } } else { [key] }
        }
    }

    private static func value(at path: String, in settings: [String: RunnerSetting]) -> RunnerSetting? {
        path.split(separator: ".").reduce(.table(settings)) { found, key in
            if case .table(let entries) = found { entries[String(key)] } else { nil }
        }
    }
}
