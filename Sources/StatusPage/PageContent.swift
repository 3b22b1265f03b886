import ControlModel

/// The facts in the header and footer of every page but sign-in and errors.
public struct PageFrame: Sendable {
    /// When the page is made, in seconds since 1970. Ages and countdowns refer to it.
    public var now: Double
    /// The header shows its status; the overview also its errors and warnings.
    public var health: HealthView
    /// Whether the reader may give orders.
    public var session: Session

    public init(now: Double, health: HealthView, session: Session) {
        self.now = now
        self.health = health
        self.session = session
    }
}

/// Whether the reader of a page may give orders and read logs.
public enum Session: Sendable, Equatable {
    /// Nobody can sign in because no control token is configured. The page names the key to set.
    case unavailable
    /// The page offers to sign in.
    case signedOut
    /// The page has buttons. Their forms send `csrf`, which must be bound to the session and is not the control token.
    case signedIn(csrf: String)
}

/// The values that the overview shows.
public struct PageContent: Sendable {
    /// For the header and footer; the overview also takes time and health from here.
    public var frame: PageFrame
    /// As `GET /status` answers.
    public var status: StatusView
    /// All pools, in the order of the configuration.
    public var pools: [PoolView]
    /// All live runners, in any order.
    public var runners: [RunnerView]
    /// Jobs that wait or run, and those that finished recently, in any order. Runners show the names of their jobs from here.
    public var jobs: [JobView]
    /// As `GET /history` answers.
    public var history: HistoryView
    /// The last lines of the logs of runners that failed, by runner. The page shows them to every reader: leave them out for those who may not read
    /// logs.
    public var lastLines: [String: [String]]

    public init(
        frame: PageFrame, status: StatusView, pools: [PoolView], runners: [RunnerView], jobs: [JobView], history: HistoryView,
        lastLines: [String: [String]] = [:]
    ) {
        self.frame = frame
        self.status = status
        self.pools = pools
        self.runners = runners
        self.jobs = jobs
        self.history = history
        self.lastLines = lastLines
    }
}
