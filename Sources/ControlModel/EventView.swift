/// Something that happened, as `GET /events` sends it.
public struct EventView: Codable, Sendable, Equatable {
    /// What an event is about.
    public enum Kind: String, Codable, Sendable, CaseIterable { case job, runner, pool, health, incident }

    /// When it happened.
    public var at: String
    /// `job`, `runner`, `pool`, `health` for the world around, or `incident` for what an operator should see.
    public var kind: String
    /// One word for what happened, such as `jobStarted`; words are added over time.
    public var event: String
    /// `debug`, `info`, `notice`, `warning` or `error`.
    public var severity: String
    /// The line of the journal.
    public var message: String
    /// The details, as the journal has them.
    public var fields: [String: String]
    /// The name of the pool that it is about, or of the runner's.
    public var pool: String?
    /// The runner that it is about, as it is then.
    public var runner: RunnerView?
    /// The job that it is about, as it is then.
    public var job: JobView?

    /// Takes the fields that every event has; those that may be absent are set afterwards.
    public init(at: String, kind: String, event: String, severity: String, message: String, fields: [String: String]) {
        self.at = at
        self.kind = kind
        self.event = event
        self.severity = severity
        self.message = message
        self.fields = fields
    }
}
