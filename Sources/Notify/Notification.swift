import Fleet

/// One message to one target.
public struct Notification: Sendable, Equatable, Codable {
    /// How far the trouble is.
    public enum State: String, Sendable, Codable {
        case begun
        case ended
        /// Of what has no end: a test, or the summary of what was left out.
        case note
    }

    /// The same over all tries of its delivery, by which a receiver knows one that comes twice; empty before it is on its way.
    public var id = ""
    /// `ConcernKind`'s words, `summary` or `test`.
    public var kind: String
    public var state: State
    /// For people, in one line.
    public var title: String
    /// For people; may be empty.
    public var text: String
    /// The pool that it is about.
    public var pool: String?
    /// GitLab's id of the job that it is about.
    public var job: JobID?
    /// When the trouble began, by the daemon's clock.
    public var since: Timestamp?
    /// When it was decided on, by the daemon's clock.
    public var at: Timestamp
    /// Where to look.
    public var link: String?
    /// Without it nothing works.
    public var isCritical = false

    init(_ kind: String, _ state: State, _ title: String, _ text: String, at now: Timestamp) {
        self.kind = kind
        self.state = state
        self.title = title
        self.text = text
        at = now
    }

    init(begun concern: Concern, since: Timestamp, at now: Timestamp) {
        self.init(concern, .begun, concern.title, concern.text, since: since, at: now)
    }

    init(ended concern: Concern, since: Timestamp, gone: Timestamp, at now: Timestamp) {
        self.init(concern, .ended, concern.endTitle, "It was so for \(Self.words(gone - since)).", since: since, at: now)
    }

    private init(_ concern: Concern, _ state: State, _ title: String, _ text: String, since: Timestamp, at now: Timestamp) {
        self.init(concern.kind.rawValue, state, title, text, at: now)
        pool = concern.pool
        job = concern.job
        link = concern.link
        isCritical = concern.kind.isCritical
        self.since = since
    }

    /// To try a target out.
    public static func test(at now: Timestamp) -> Notification {
        Notification("test", .note, "A test of AutoGit's notifications", "Troubles will be told here.", at: now)
    }

    /// A span in its two largest units, such as `2 h 5 min`.
    static func words(_ time: Duration) -> String {
        let seconds = max(0, time.milliseconds / 1000)
        let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")].drop { $0.0 == 0 }.prefix(2)
        return parts.isEmpty ? "less than a second" : parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: " ")
    }
}
