import Fleet

/// What is known of the token over time: when GitLab is asked, what operators are warned of, and what goes to the journal, each warning once a
/// day. A value; the time is passed in, as the calendar has it, because GitLab's expiry is a day of the calendar.
public struct TokenWatch: Sendable {
    /// Warnings of an expiry begin so long before.
    public static let notice = Duration.seconds(14 * 86_400)
    /// From an answer to the next question.
    public static let interval = Duration.seconds(6 * 3600)
    /// From a question without an answer to the next.
    public static let retry = Duration.seconds(600)
    private static let day = Duration.seconds(86_400)

    /// A condition that operators should know of.
    public struct Warning: Sendable, Equatable {
        /// What it is about.
        public enum Kind: Hashable, Sendable { case expiring, expired, lacking }
        /// What it is about.
        public var kind: Kind
        /// One sentence, with the next step.
        public var text: String
        /// Its entry in the journal's catalog.
        public var incident: Incident { kind == .lacking ? .tokenLacks : .tokenExpires }
    }

    /// As GitLab told them last; nil before.
    public private(set) var facts: TokenFacts?
    private var asked: (at: Timestamp, wait: Duration)?
    private var told: [Warning.Kind: Timestamp] = [:]

    /// Nothing is known, and GitLab is to be asked at once.
    public init() {}

    /// Whether GitLab is to be asked now.
    public func wantsFacts(at now: Timestamp) -> Bool {
        guard let asked else { return true }
        // A clock that was set back must not put it off.
        return now < asked.at || now - asked.at >= asked.wait
    }

    /// Takes GitLab's answer; nil when there was none, and then what was known stays.
    public mutating func take(_ answer: TokenFacts?, at now: Timestamp) {
        asked = (now, answer == nil ? Self.retry : Self.interval)
        if let answer { facts = answer }
    }

    /// What operators should know now.
    public func warnings(for needs: TokenNeeds, at now: Timestamp) -> [Warning] {
        guard let facts else { return [] }
        var warnings: [Warning] = []
        if let expiry = facts.expiry {
            let left = expiry.at - now
            if left <= .zero {
                warnings.append(
                    Warning(kind: .expired, text: "the access token expired on \(expiry.day), and GitLab refuses it since: \(TokenAdvice.renew)"))
            } else if left <= Self.notice {
                let days = left.milliseconds / Self.day.milliseconds
                let when = days == 0 ? "in less than a day" : days == 1 ? "in 1 day" : "in \(days) days"
                warnings.append(
                    Warning(
                        kind: .expiring,
                        text: "the access token expires on \(expiry.day), \(when), and without it no runner is registered and no job found by polling: "
                            + TokenAdvice.renew))
            }
        }
        return warnings + facts.lacks(for: needs).map { Warning(kind: .lacking, text: $0.text) }
    }

    /// The warnings that the journal has not had for a day, which it has now.
    public mutating func news(for needs: TokenNeeds, at now: Timestamp) -> [Warning] {
        let all = warnings(for: needs, at: now)
        // What went and comes back is news.
        told = told.filter { kind, _ in all.contains { $0.kind == kind } }
        let due = all.filter { warning in told[warning.kind].map { now < $0 || now - $0 >= Self.day } ?? true }
        for warning in due { told[warning.kind] = now }
        return due
    }
}
