import Fleet

/// How things stand, as gauges. Read when somebody asks, and kept nowhere.
extension FleetState {
    /// The most sets of tags that have series of their own; the jobs of all others are counted together.
    public static let mostTagSets = 100

    /// Every pool has its series, also those that say zero. What is not known has none.
    public func families(at now: Timestamp) -> [MetricFamily] { jobFamilies(at: now) + runnerFamilies() + poolFamilies(at: now) + worldFamilies() }

    // MARK: Jobs

    /// The pool in which a runner for a job is started first. Empty where none serves it.
    private func pool(for job: Job, _ index: PoolIndex) -> String {
        guard let tags = job.tags else { return "" }
        return index.pools(serving: tags, of: job.id.forge).first.map { pools[$0].pool.name } ?? ""
    }

    /// The pool of the runner that has a job; empty where it is none of ours.
    func pool(running job: Job) -> String {
        job.runnerID.flatMap { owner(of: RegistrationRef(job.id.forge, $0)) }.flatMap { runners[$0]?.pool } ?? ""
    }

    private func jobFamilies(at now: Timestamp) -> [MetricFamily] {
        var counts: [String: (waiting: Int, running: Int)] = [:]
        var oldest: [String: Double] = [:]
        var sets: [[String]: [String: Int]] = [:]
        for name in pools.map(\.pool.name) + [""] { counts[name] = (0, 0) }
        let index = PoolIndex(pools.map(\.pool))
        for tracked in jobs.values {
            let job = tracked.job
            guard job.status == .pending else {
                counts[pool(running: job), default: (0, 0)].running += 1
                continue
            }
            let pool = pool(for: job, index)
            counts[pool, default: (0, 0)].waiting += 1
            oldest[pool] = max(oldest[pool] ?? 0, (now - (job.pendingAt ?? job.firstSeen)).inSeconds)
            sets[(job.tags ?? []).sorted(), default: [:]][waiting[job.id]?.code ?? "runner-on-its-way", default: 0] += 1
        }
        let names = counts.keys.sorted()
        return [
            MetricFamily(
                "autogit_jobs", .gauge, "Jobs by the pool that serves or runs them (empty for none), and state.",
                names.flatMap { name in
                    [
                        .init(Double(counts[name]?.waiting ?? 0), [.init("pool", name), .init("state", "waiting")]),
                        .init(Double(counts[name]?.running ?? 0), [.init("pool", name), .init("state", "running")]),
                    ]
                }),
            MetricFamily("autogit_jobs_waiting", .gauge, "Waiting jobs by their tags, sorted, and the reason.", Self.waitingSeries(sets)),
            .gauge("autogit_job_oldest_waiting_seconds", "Age of the job that has waited longest, by the pool that serves it; 0 where none waits.", names) {
                .init(max(0, oldest[$0] ?? 0), [.init("pool", $0)])
            },
        ]
    }

    private static func waitingSeries(_ sets: [[String]: [String: Int]]) -> [MetricFamily.Series] {
        // Those with the most jobs keep their names.
        let order = sets.sorted { a, b in
            let (more, less) = (a.value.values.reduce(0, +), b.value.values.reduce(0, +))
            return more != less ? more > less : a.key.lexicographicallyPrecedes(b.key)
        }
        var rest: [String: Int] = [:]
        for set in order.dropFirst(mostTagSets) { rest.merge(set.value, uniquingKeysWith: +) }
        let named = order.prefix(mostTagSets).map { (tags: label($0.key), reasons: $0.value) } + (rest.isEmpty ? [] : [(tags: "other", reasons: rest)])
        return named.flatMap { set in
            set.reasons.sorted { $0.key < $1.key }.map { .init(Double($0.value), [.init("tags", set.tags), .init("reason", $0.key)]) }
        }
    }

    /// Tags are other people's text: a label of bounded length.
    private static func label(_ tags: [String]) -> String {
        let text = tags.joined(separator: ",")
        return text.count > 200 ? text.prefix(199) + "…" : text
    }

    // MARK: Runners and pools

    private func runnerFamilies() -> [MetricFamily] {
        let phases = Runner.Phase.allCases.filter { $0 != .removed }
        let names = Set(pools.map(\.pool.name)).union(runners.values.map(\.pool)).sorted()
        let byPool = Dictionary(grouping: runners.values, by: \.pool)
        return [
            MetricFamily(
                "autogit_runners", .gauge, "Runners that are not removed yet, by pool and phase of life.",
                names.flatMap { name in
                    phases.map { phase in
                        .init(Double(byPool[name]?.count { $0.phase == phase } ?? 0), [.init("pool", name), .init("phase", phase.rawValue)])
                    }
                }),
            .gauge("autogit_runners_busy", "Runners that have a job, by pool.", names) {
                .init(Double(byPool[$0]?.count(where: \.isBusy) ?? 0), [.init("pool", $0)])
            },
        ]
    }

    private func poolFamilies(at now: Timestamp) -> [MetricFamily] {
        func gauge(_ name: String, _ help: String, _ value: (PoolState) -> Double) -> MetricFamily {
            .gauge(name, help, pools) { .init(value($0), [.init("pool", $0.pool.name)]) }
        }
        return [
            gauge("autogit_pool_max_runners", "The most runners that the pool may have.") { Double(targets(of: $0.pool, at: now).maxRunners) },
            gauge("autogit_pool_warm_target", "Idle runners that the pool keeps ready.") { Double(targets(of: $0.pool, at: now).warm) },
            gauge("autogit_pool_paused", "Whether an operator paused the pool.") { $0.paused ? 1 : 0 },
            gauge("autogit_pool_quarantined", "Whether the pool is in quarantine after failed starts.") { $0.isQuarantined ? 1 : 0 },
        ]
    }

    // MARK: The world around

    private func worldFamilies() -> [MetricFamily] {
        let hosts = hostsInUse
        let engines = placesInUse.filter { $0.kind == .container && places[$0]?.reach.isKnown == true && !isExpectedAway($0) }
        let forges = forgesInUse.compactMap { self.forges[$0] }.filter(\.reach.isKnown)
        func host(_ name: HostID) -> [MetricFamily.Label] { [.init("host", name.name)] }
        return [
            .gauge("autogit_host_cpus_promised", "CPUs that the host has promised to runners.", hosts) { .init(promised(on: $0).cpus, host($0)) },
            .gauge(
                "autogit_host_cpus_budget", "CPUs that the host may promise; absent where there is no bound.",
                hosts.compactMap { id in configuration.host(id)?.budget.cpus.map { (id, $0) } }
            ) { .init($0.1, host($0.0)) },
            .gauge("autogit_host_memory_promised_bytes", "Memory that the host has promised to runners.", hosts) {
                .init(Double(promised(on: $0).memory), host($0))
            },
            .gauge(
                "autogit_host_memory_budget_bytes", "Memory that the host may promise; absent where there is no bound.",
                hosts.compactMap { id in configuration.host(id)?.budget.memory.map { (id, $0) } }
            ) { .init(Double($0.1), host($0.0)) },
            .gauge(
                "autogit_host_disk_free_bytes", "What the engine's file system has left; absent where it can't be seen.",
                engines.compactMap { place in places[place]?.disk.space.map { (place.host, $0.free) } }
            ) { .init(Double($0.1), host($0.0)) },
            .gauge("autogit_host_disk_reserve_bytes", "What the engine's file system is to keep free.", hosts) {
                .init(Double(configuration.diskReserve(of: $0)), host($0))
            },
            .gauge("autogit_engine_up", "Whether the host's container engine answers.", engines) {
                .init(places[$0]?.reach.isGood == true ? 1 : 0, host($0.host))
            },
            MetricFamily(
                "autogit_gitlab_up", .gauge, "Whether GitLab answers and takes the token.",
                forges.isEmpty ? [] : [.init(forges.allSatisfy(\.reach.isGood) ? 1 : 0)]),
            MetricFamily("autogit_store_up", .gauge, "Whether the database can be written.", [.init(store.trouble == nil ? 1 : 0)]),
        ]
    }
}
