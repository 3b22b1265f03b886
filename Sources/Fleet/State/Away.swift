extension Beat {
    /// How long a place may not answer before its runners are no supply any more: a job that still waits gets one elsewhere.
    public static let elsewhere = Duration.seconds(30)
    /// How long the registration of a runner stays whose host does not answer: it may run a job there, and GitLab would take that from it.
    public static let keepRegistrations = Duration.seconds(86_400)
    /// How long a host that is not configured any more may not answer before its runners don't count.
    static let lost = Duration.seconds(600)
}

/// Hosts that don't answer. What is there is unknown, not gone: runners may go on with their jobs, of which GitLab tells.
extension FleetState {
    /// Not configured any more, or an operator's wish: no runner is to be there.
    public func isDrained(_ host: HostID) -> Bool { drainedHosts.contains(host) || configuration.host(host) == nil }

    /// Since when a place has not answered; nil while it does, and before it was asked.
    public func awaySince(_ place: Place) -> Timestamp? { places[place]?.reach.badSince }

    /// It has not answered for so long that its runners don't count.
    public func isLost(_ place: Place) -> Bool { places[place]?.isLost == true }

    /// A host without runners that an operator drained, or that may sleep: it may well be off.
    public func isExpectedAway(_ place: Place) -> Bool {
        (drainedHosts.contains(place.host) || power(of: place.host) != nil) && !isUsed(place)
    }

    /// Some runner is there, or has its jobs there, or something of it is yet to be removed.
    func isUsed(_ place: Place) -> Bool { runners.values.contains { $0.places.contains(place) } }

    /// How long a host may be away; nil for ever.
    private func lostAfter(_ host: HostID) -> Duration? {
        configuration.host(host).map(\.lostAfter) ?? (host == .local ? nil : Beat.lost)
    }

    /// When a place that is away will be lost; nil while it answers, and where it never is.
    func lostAt(_ place: Place) -> Timestamp? {
        guard let since = awaySince(place), let after = lostAfter(place.host) else { return nil }
        return since + after
    }

    /// When the registration of a runner may be removed, because nobody can look whether it works; nil for at once.
    func registrationStays(of runner: Runner) -> Timestamp? {
        guard !isEvacuating, progress[runner.id]?.containerGone != true, runner.startedAt != nil || progress[runner.id]?.startTrouble != nil else { return nil }
        guard let since = awaySince(runner.place), lostAfter(runner.place.host) != nil else { return nil }
        return since + Beat.keepRegistrations
    }

    /// It was not asked yet by this life of the daemon, and may be away.
    func isUnseen(_ place: Place) -> Bool { lostAfter(place.host) != nil && places[place]?.isSeen != true && awaySince(place) == nil && !isEvacuating }

    /// Nobody waits any more for a lost place to come back: GitLab is to forget its runners that have no job.
    func isGivenUp(_ place: Place, at now: Timestamp) -> Bool {
        isLost(place) && awaySince(place).map { now >= $0 + Beat.keepRegistrations } ?? false
    }

    /// Its host is not to come back, either: nobody will ever look what is left there.
    func isToBeForgotten(_ runner: Runner, at now: Timestamp) -> Bool {
        progress[runner.id]?.containerGone == false && !isConfigured(runner.place.host) && isGivenUp(runner.place, at: now)
    }

    private func isConfigured(_ host: HostID) -> Bool { host == .local || configuration.host(host) != nil }

    /// What is left of it on its host is for people to remove, and for AutoGit if the host is configured again.
    mutating func forget(_ id: RunnerID, at now: Timestamp) {
        guard let runner = runners[id], progress[id]?.containerGone == false else { return }
        progress[id]?.containerGone = true
        progress[id]?.containerGoneAt = now
        progress[id]?.stuck = nil
        tell(.runnerForgotten, runner)
    }

    /// An operator who removes a runner by force from a host that is taken out and does not answer means that nobody shall wait for it.
    mutating func forgetForced(_ id: RunnerID, at now: Timestamp) {
        guard let runner = runners[id], !isConfigured(runner.place.host), awaySince(runner.place) != nil else { return }
        forget(id, at: now)
    }

    /// Nobody knows what has become of it, and it is no supply.
    func isUnknown(_ runner: Runner, at now: Timestamp) -> Bool {
        isLost(runner.place) || awaySince(runner.place).map { now >= $0 + Beat.elsewhere } ?? false
    }

    mutating func lose(_ place: Place, at now: Timestamp) {
        guard places[place]?.isLost == false, let since = awaySince(place) else { return }
        places[place]?.isLost = true
        let lost = runners.values.filter { $0.place == place }.sorted { $0.id < $1.id }
        tell(.hostLost(away: now - since, runners: lost.count), subject: place.host.name)
        for runner in lost where runner.phase < .ended { tell(.runnerLost, runner, job: runner.job.flatMap { jobs[$0]?.job }) }
    }

    /// A lost place answers: whoever has a job is as before, and nobody else is wanted any more, because others were started instead.
    mutating func foundAgain(_ place: Place) {
        guard places[place]?.isLost == true else { return }
        places[place]?.isLost = false
        let back = runners.values.filter { $0.place == place }
        tell(.hostBack(runners: back.count), subject: place.host.name)
        for runner in back where !runner.isBusy && runner.phase < .pausing { progress[runner.id]?.wasLost = true }
    }

    mutating func drain(_ host: HostID, _ drained: Bool) {
        guard drainedHosts.contains(host) != drained else { return }
        if drained { drainedHosts.insert(host) } else { drainedHosts.remove(host) }
        save(.host(name: host.name, drained: drained))
        tell(drained ? .hostDrained : .hostResumed, subject: host.name)
    }
}

extension FleetState.Configuration {
    /// Where a pool's runners may be placed, in the order of the file.
    func candidates(of pool: Pool) -> [HostID] { pool.choice.candidates(of: hosts, pool.driver).map(\.id) }
}
