/// How a host that may sleep is doing.
public struct PowerState: Sendable {
    /// What AutoGit has it do now. That it sleeps is not here: it is seen, whoever sent it.
    public internal(set) var step = Step.none
    /// Since when no runner has been there while it answered.
    var unusedSince: Timestamp?
    /// Why it could not be woken or sent to sleep last time; nil after one that worked.
    public internal(set) var trouble: String?
    /// Before it is called, or sent to sleep, again.
    var backoff = Backoff()

    public enum Step: Sendable, Equatable {
        case none
        /// It was called so often since then, and has not answered yet.
        case waking(since: Timestamp, calls: Int)
        /// It was sent to sleep, and has not been called since.
        /// - Parameter isSure: false where the command failed, which may have taken effect all the same.
        case fallingAsleep(since: Timestamp, isSure: Bool = true)
    }
}

extension Beat {
    /// Looks at a host that is about to wake or to sleep.
    static let lookAtSleeper = Duration.seconds(5)
    /// A host that still answers so long after it was sent to sleep has stayed awake.
    static let fallAsleep = Duration.seconds(120)
    /// One that is falling asleep would not hear a call, and might be taken for one that woke: whoever does not answer for a moment is not asleep yet.
    static let callAgain = Duration.seconds(60)
    /// A call may be lost: so many are made, `wake_time` apart, before the host is believed not to wake.
    static let wakeCalls = 2
}

extension FleetState {
    /// nil for a host that is always on.
    func power(of host: HostID) -> HostPower? { configuration.host(host)?.power }

    /// What AutoGit has it do now.
    public func powerStep(of host: HostID) -> PowerState.Step { hosts[host]?.power.step ?? .none }

    /// It may sleep, no runner needs it, and it does not answer: nothing is wrong.
    public func isAsleep(_ host: HostID) -> Bool {
        let place = Place(host, .container)
        return power(of: host) != nil && awaySince(place) != nil && !isUsed(place)
    }

    // MARK: Decisions

    mutating func decide(power action: Action, of host: HostID, at now: Timestamp) {
        switch action {
        case .wake: call(host, at: now)
        case .sleep:
            hosts[host, default: HostState()].power.step = .fallingAsleep(since: now)
            tell(.hostSentToSleep, subject: host.name)
        case .oversleep: overslept(host, "it was called \(Beat.wakeCalls) times, and does not answer", at: now)
        default: break
        }
    }

    private mutating func call(_ host: HostID, at now: Timestamp) {
        var (since, calls) = (now, 0)
        if case .waking(let first, let before) = powerStep(of: host) { (since, calls) = (first, before) }
        hosts[host, default: HostState()].power.step = .waking(since: since, calls: calls + 1)
        if calls == 0 { tell(.hostCalled, subject: host.name) }
        lookSoon(at: host, at: now)
    }

    private mutating func overslept(_ host: HostID, _ why: String, at now: Timestamp) {
        hosts[host, default: HostState()].power.step = .none
        fail(powerOf: host, why, at: now)
    }

    // MARK: Results

    mutating func called(_ host: HostID, _ trouble: Trouble?, at now: Timestamp) {
        guard let trouble else { return lookSoon(at: host, at: now) }
        guard case .waking = powerStep(of: host) else { return }
        overslept(host, "it could not be called: \(trouble.text)", at: now)
    }

    /// - Parameter trouble: what the command that sends it to sleep ended with. An outage is its way to say «not now», and nothing to be told.
    mutating func sentToSleep(_ host: HostID, _ trouble: Trouble?, at now: Timestamp) {
        guard case .fallingAsleep = powerStep(of: host) else { return }
        hosts[host]?.power.step = .fallingAsleep(since: now, isSure: trouble == nil)
        lookSoon(at: host, at: now)
        if let trouble, !trouble.isOutage { fail(powerOf: host, "it could not be sent to sleep: \(trouble.text)", at: now) }
    }

    private mutating func fail(powerOf host: HostID, _ why: String, at now: Timestamp) {
        hosts[host]?.power.backoff.failed(.power, at: now, jitter: dice.unit())
        if hosts[host]?.power.trouble != why { tell(.hostPowerFailed(why), subject: host.name) }
        hosts[host]?.power.trouble = why
    }

    private mutating func lookSoon(at host: HostID, at now: Timestamp) { look(at: Place(host, .container), by: now + Beat.lookAtSleeper) }

    // MARK: What is seen of it

    /// - Parameter wasAway: it did not answer the last time.
    mutating func answersAwake(_ host: HostID, wasAway: Bool, at now: Timestamp) {
        guard power(of: host) != nil else { return }
        var power = hosts[host]?.power ?? PowerState()
        if wasAway || power.unusedSince == nil { power.unusedSince = now }
        switch power.step {
        case .none:
            if wasAway { (power.trouble, power.backoff) = (nil, Backoff()) }
        case .waking(let since, _):
            power = PowerState(unusedSince: now)
            tell(.hostWoke(after: now - since), subject: host.name)
        case .fallingAsleep(let since, let isSure) where now >= since + Beat.fallAsleep:
            power.step = .none
            power.unusedSince = now
            hosts[host, default: HostState()].power = power
            if isSure, !wasAway { fail(powerOf: host, "it still answers \(Beat.fallAsleep.text) after it was sent to sleep", at: now) }
            return
        case .fallingAsleep: lookSoon(at: host, at: now)
        }
        hosts[host, default: HostState()].power = power
    }

    mutating func doesNotAnswer(_ host: HostID, at now: Timestamp) {
        switch powerStep(of: host) {
        case .none: break
        case .waking: lookSoon(at: host, at: now)
        case .fallingAsleep(let since, _): if now < since + Beat.fallAsleep { lookSoon(at: host, at: now) }
        }
    }

    /// The last trace of a runner is gone from it.
    mutating func leftUnused(_ host: HostID, at now: Timestamp) {
        if power(of: host) != nil { hosts[host, default: HostState()].power.unusedSince = now }
    }
}
