/// A failed call as a value: the properties that the loop acts on, and the words for the operator.
public struct Trouble: Error, Sendable, Equatable, CustomStringConvertible {
    /// The words for the operator.
    public var text: String
    /// When the other side wants to be asked again; nil when it doesn't say.
    public var retryAfter: Duration?
    /// Nothing will work until the operator gives us another token.
    public var tokenRefused: Bool
    /// The other side could not be asked, or had trouble of its own. It says nothing about what was asked for, and so
    /// it is held against neither a runner nor a pool nor a job.
    public var isOutage: Bool
    /// The database could not be written, so nothing was tried.
    public var isOfStore: Bool

    public init(
        _ text: String, retryAfter: Duration? = nil, tokenRefused: Bool = false, isOutage: Bool = false, isOfStore: Bool = false
    ) {
        self.text = text
        self.retryAfter = retryAfter
        self.tokenRefused = tokenRefused
        self.isOutage = isOutage
        self.isOfStore = isOfStore
    }

    /// Any error as trouble. One that is neither `Trouble` nor a `ForgeFailure` or `DriverFailure` counts as a refusal: not as an outage.
    public init(_ error: any Error) {
        switch error {
        case let trouble as Trouble: self = trouble
        case let failure as any ForgeFailure:
            self.init("\(error)", retryAfter: failure.retryAfter, tokenRefused: failure.tokenRefused, isOutage: failure.isOutage)
        case let failure as any DriverFailure: self.init("\(error)", isOutage: failure.isOutage)
        default: self.init("\(error)")
        }
    }

    /// The same as `text`.
    public var description: String { text }

    /// Of a launch that was broken off, because nobody wants the runner any more.
    public static let unwanted = Trouble("it is not wanted any more", isOutage: true)
}

/// Whether something answers: a GitLab, an engine, the database.
public struct Reachability: Sendable, Equatable {
    /// The last call's trouble; nil when it was answered, and before the first.
    public private(set) var trouble: Trouble?
    /// It has answered, or failed to, at least once in this life of the daemon.
    public private(set) var isKnown = false
    /// Since when its answers were good, but for blips. Nil while it is in trouble, and before the first.
    public private(set) var goodSince: Timestamp?
    /// `goodSince` as it was before the trouble.
    private var goodBefore: Timestamp?
    /// Since when it has been in trouble; nil while it is not.
    public private(set) var badSince: Timestamp?
    /// When it is asked again after trouble.
    public private(set) var backoff = Backoff()

    /// Trouble that is over sooner is a blip: runners, which ask every few seconds, hardly notice it. Were each a new beginning, a GitLab that fails one
    /// call in a hundred would never be good for long enough to tell a runner that takes no jobs.
    static let blip = Duration.seconds(15)

    /// Not asked yet.
    public init() {}

    /// Whether the last call was answered; false before the first.
    public var isGood: Bool { trouble == nil && isKnown }
    /// `ok`, `unknown`, or the words of the trouble.
    public var word: String { trouble?.text ?? (isKnown ? "ok" : "unknown") }

    /// - Returns: whether it was in trouble before.
    mutating func answered(at now: Timestamp) -> Bool {
        defer {
            trouble = nil
            isKnown = true
            goodSince = goodSince ?? resumed(at: now)
            badSince = nil
            goodBefore = nil
            backoff.succeeded()
        }
        return trouble != nil
    }

    private func resumed(at now: Timestamp) -> Timestamp {
        guard let goodBefore, let badSince, now >= badSince, now - badSince < Self.blip else { return now }
        return goodBefore
    }

    /// - Returns: whether this is news: it was not in trouble before, or the token was not refused before and is now, or the reverse.
    mutating func failed(_ new: Trouble, _ policy: Backoff.Policy, at now: Timestamp, jitter: Double) -> Bool {
        let isNews = trouble == nil || trouble?.tokenRefused != new.tokenRefused
        trouble = new
        isKnown = true
        goodBefore = goodSince ?? goodBefore
        goodSince = nil
        badSince = badSince ?? now
        backoff.failed(policy, at: now, jitter: jitter, atLeast: new.retryAfter ?? .zero)
        return isNews
    }
}
