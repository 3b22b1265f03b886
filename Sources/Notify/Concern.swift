import Fleet

/// Something that is wrong now, and lasts until somebody or something mends it.
public struct Concern: Sendable, Equatable, Codable {
    /// What it is about.
    public var kind: ConcernKind
    /// The same for as long as it is the same trouble, whatever its words are.
    public var key: String
    /// For people, without a full stop.
    public var title: String
    /// What to do about it, and what AutoGit does.
    public var text: String
    /// What is told when it is over.
    public var endTitle: String
    /// The name of the pool that it is about.
    public var pool: String?
    /// The job that it is about, of several the one that waits longest.
    public var job: JobID?
    /// Since when it lasts, where that is known; otherwise it begins when it is first seen.
    public var since: Timestamp?
    /// Where to look; nil where there is no better place than the status page.
    public var link: String?

    /// - Parameter key: without the kind.
    init(
        _ kind: ConcernKind, _ key: String, _ title: String, _ text: String, end: String, pool: String? = nil, job: JobID? = nil, since: Timestamp? = nil,
        link: String? = nil
    ) {
        self.kind = kind
        self.key = key.isEmpty ? kind.rawValue : "\(kind.rawValue)/\(key)"
        self.title = title
        self.text = text
        endTitle = end
        self.pool = pool
        self.job = job
        self.since = since
        self.link = link
    }
}

extension FleetState {
    /// All that is wrong now, in an order that stays the same. What is not known yet, shortly after a start, is not wrong.
    /// - Parameter gitlab: its address, for links to jobs.
    public func concerns(gitlab: String) -> [Concern] {
        surroundings + pools.filter(\.isQuarantined).map(Self.quarantine) + stuckRunners.map(Self.stuck) + unserved(gitlab: gitlab)
    }

    /// Kinds of which it can't be said now whether a trouble still lasts: a GitLab that is away does not say that it takes the token, and a job that
    /// waits for an engine has not got its GPU. Those that were there are not over for that.
    public var unsureConcerns: Set<ConcernKind> {
        var kinds: Set<ConcernKind> = store.isKnown ? [] : [.store]
        for forge in forgesInUse {
            let reach = forges[forge]?.reach
            if reach?.isKnown != true { kinds.insert(.gitlab) }
            if reach?.isKnown != true || reach?.trouble?.isOutage == true { kinds.insert(.token) }
        }
        if placesInUse.contains(where: { places[$0]?.reach.isKnown != true }) { kinds.formUnion([.engine, .disk]) }
        if hostsInUse.contains(where: { hosts[$0]?.facts == nil }) { kinds.insert(.gpu) }
        if waiting.values.contains(where: \.hidesOthers) { kinds.insert(.waiting) }
        return kinds
    }

    private var surroundings: [Concern] {
        var found: [Concern] = []
        if let trouble = store.trouble {
            found.append(
                Concern(
                    .store, "", "AutoGit can't write its database", "\(Self.sentence(trouble.text)) No runner is started until it can: is the disk full?",
                    end: "AutoGit can write its database again"))
        }
        for id in forgesInUse {
            guard let trouble = forges[id]?.reach.trouble else { continue }
            found.append(
                trouble.tokenRefused
                    ? Concern(
                        .token, "refused/\(id)", "GitLab refuses the access token", "\(Self.sentence(trouble.text)) Store a new one: autogitctl token set",
                        end: "GitLab takes the access token again")
                    : Concern(
                        .gitlab, id.name, "GitLab does not answer", "\(Self.sentence(trouble.text)) No runner is started until it does; jobs that run go on.",
                        end: "GitLab answers again"))
        }
        let warned = warnings(from: "token")
        if !warned.isEmpty {
            found.append(
                Concern(
                    .token, "warned", "The access token needs attention", warned.joined(separator: "; "), end: "The access token is in order again"))
        }
        for place in placesInUse {
            let name = place.kind == .container ? "The container engine" : "The user's systemd"
            let whose = place.host == .local ? name : "\(name) of \(place.host)"
            if let trouble = places[place]?.reach.trouble, !isExpectedAway(place) {
                found.append(
                    Concern(
                        .engine, "\(place)", "\(whose) does not answer", "\(Self.sentence(trouble.text)) No runner is started until it does: autogitctl doctor",
                        end: "\(whose) answers again"))
            }
            if let space = shortage(at: place) {
                found.append(
                    Concern(
                        .disk, "\(place)", "\(whose)'s disk is short of room",
                        "\(space.free >> 20) MiB are left, less than disk_reserve (\(configuration.diskReserve(of: place.host) >> 20) MiB). No runner is started until "
                            + "there is more: podman system df, podman image prune --all", end: "\(whose)'s disk has room again"))
            }
        }
        for (host, known) in hosts.sorted(by: { $0.key < $1.key }) {
            for (id, lost) in known.lost.sorted(by: { $0.key < $1.key }) {
                found.append(
                    Concern(
                        .gpu, "\(host)/\(id)", "The GPU \(lost.gpu.name) is not there any more",
                        "Its id is \(id). Runners that have it leave, and its pools wait: journalctl -k", end: "The GPU \(lost.gpu.name) is there again"))
            }
        }
        return found
    }

    /// Others' words end in a question mark, a full stop, or nothing at all.
    private static func sentence(_ text: String) -> String { text.last.map { ".?!".contains($0) } == true ? text : "\(text)." }

    private static func quarantine(_ pool: PoolState) -> Concern {
        let name = pool.pool.name
        return Concern(
            .quarantine, name, "Pool \(name) is in quarantine",
            "\(PoolState.quarantineAfter) starts in a row failed, the last with: \(sentence(pool.lastError ?? "no reason")) One runner at a time is tried until one "
                + "works: autogitctl pools, autogitctl logs", end: "Pool \(name) is out of quarantine", pool: name)
    }

    private static func stuck(_ runner: Runner, _ reason: String) -> Concern {
        Concern(
            .stuck, runner.id, "The runner \(runner.name) is stuck",
            "It keeps its share of the host while it is \(runner.phase.rawValue): \(sentence(reason)) What is refused may need a hand: autogitctl runners \(runner.id)",
            end: "The runner \(runner.name) is not stuck any more", pool: runner.pool)
    }

    /// One for all jobs that wait for the same reason with the same tags: forty jobs for a pool that nobody has are one trouble.
    private func unserved(gitlab: String) -> [Concern] {
        var groups: [String: (job: Job, reason: WaitingReason, since: Timestamp, count: Int)] = [:]
        for (ref, reason) in waiting where reason.leavesUnserved {
            guard let job = jobs[ref]?.job else { continue }
            let since = job.pendingAt ?? job.firstSeen
            let key = "\(ref.forge)/\(reason.code)/\((job.tags ?? []).sorted().joined(separator: ","))"
            let known = groups[key] ?? (job, reason, since, 0)
            let first = (since, job.id) < (known.since, known.job.id) ? (job, reason, since) : (known.job, known.reason, known.since)
            groups[key] = (first.0, first.1, first.2, known.count + 1)
        }
        return groups.sorted { $0.key < $1.key }.map { key, group in
            let (job, more) = (group.job, group.count - 1)
            let project = job.projectPath ?? "project \(job.projectID)"
            let others = more == 0 ? "" : " \(more) other\(more == 1 ? " waits" : "s wait") for the same reason."
            return Concern(
                .waiting, key, "Job \(job.id.id) waits and nothing serves it",
                "\(job.name.map { "\($0) of " } ?? "")\(project): \(Self.sentence(group.reason.text))\(others)",
                end: "Job \(job.id.id) and those like it don't wait any more", pool: group.reason.pool, job: job.id.id, since: group.since,
                link: job.projectPath.map { "\(gitlab.last == "/" ? String(gitlab.dropLast()) : gitlab)/\($0)/-/jobs/\(job.id.id)" })
        }
    }
}

extension WaitingReason {
    /// Nothing will serve the job until a person does something. Busy runners are none of these, nor is what is a trouble of its own, such as an
    /// engine that is away, or failed starts, which become a quarantine.
    var leavesUnserved: Bool {
        switch self {
        case .noPoolForUntagged, .noPoolHasTags, .noPoolHasAllTags, .held, .poolPaused, .hostUnfit, .noEmulator, .noGPU, .gitlabRefuses, .noHost, .hostDrained,
            .hostStaysAsleep:
            true
        case .noHostTakes(_, let obstacles): obstacles.allSatisfy(\.reason.leavesUnserved)
        case .startingUp, .tagsUnknown, .evacuating, .gitlabAway, .tokenRefused, .storeNotWritable, .backingOff, .quarantined, .probing, .atMaximum,
            .memoryBudget, .cpuBudget, .engineDown, .gpusInUse, .diskReserve, .launchesAtBound, .projectAtMaximum,
            .makingRoom, .resourceInUse, .preferredFull, .hostWaking:
            false
        }
    }

    /// It is found before any that leaves the job unserved.
    fileprivate var hidesOthers: Bool {
        switch self {
        case .startingUp, .evacuating, .gitlabAway, .tokenRefused, .storeNotWritable, .engineDown, .diskReserve: true
        default: false
        }
    }

    fileprivate var pool: String? {
        switch self {
        case .poolPaused(let pool), .hostUnfit(let pool, _), .noGPU(let pool, _, _, _), .noHost(let pool), .noHostTakes(let pool, _): pool
        default: nil
        }
    }
}

extension FleetEvent {
    /// Whether a trouble of those that are told may have begun or ended with it. Those that time alone brings on come without one.
    public var mayConcern: Bool {
        switch kind {
        case .quarantined, .poolRecovered, .gitlabTrouble, .gitlabAnswers, .driverTrouble, .driverAnswers, .gpuLost, .gpuBack, .diskShort, .diskRoomy,
            .storeTrouble, .storeWorks, .stuck:
            true
        default: false
        }
    }
}
