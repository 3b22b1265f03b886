/// How long to wait before something that failed is tried again. The only one in the control loop: whatever is
/// retried there carries one of these and names one of the policies below.
public struct Backoff: Sendable, Equatable {
    /// The first wait, and the longest; each failure doubles the wait.
    public struct Policy: Sendable, Equatable {
        /// The wait after the first failure, before jitter.
        public var first: Duration
        /// The longest wait, before jitter; the other side may ask for a longer one.
        public var most: Duration
        public init(first: Duration, most: Duration) {
            self.first = first
            self.most = most
        }

        /// The wait after so many failures in a row, before jitter: `first`, doubled each time, up to `most`.
        /// - Parameter failures: at least 1.
        public func wait(after failures: Int) -> Duration {
            // 2^30 times any useful first wait is beyond any useful bound, and does not overflow.
            min(most, first * (1 << min(failures - 1, 30)))
        }

        /// Starts in a pool.
        public static let launch = Policy(first: .seconds(1), most: .seconds(300))
        /// One step of a runner's end.
        public static let step = Policy(first: .seconds(1), most: .seconds(60))
        /// Calls to a GitLab that has trouble.
        public static let forge = Policy(first: .seconds(1), most: .seconds(60))
        /// Registrations that GitLab fails to make while it answers other calls.
        public static let registering = Policy(first: .seconds(1), most: .seconds(60))
        /// Looks at an engine or a user's systemd that does not answer.
        public static let look = Policy(first: .seconds(1), most: .seconds(30))
        /// Questions about one job that GitLab does not know yet, or does not know any more.
        public static let question = Policy(first: .milliseconds(200), most: .seconds(60))
        /// Questions whether a new runner has made contact.
        public static let contact = Policy(first: .milliseconds(500), most: .seconds(8))
        /// Writes to a database that could not be written.
        public static let store = Policy(first: .seconds(1), most: .seconds(60))
        /// Notifications that did not get through.
        public static let notification = Policy(first: .seconds(2), most: .seconds(600))
        /// Connections to other machines, over which their engines are reached.
        public static let forward = Policy(first: .seconds(1), most: .seconds(60))
        /// Hosts that did not wake when they were called, or could not be sent to sleep.
        public static let power = Policy(first: .seconds(60), most: .seconds(1800))
        /// Jobs that runners of the right kind did not take.
        public static let refusal = Policy(first: .seconds(300), most: .seconds(3600))
    }

    /// Failures in a row; those that were under way together count as one.
    public private(set) var failures = 0
    /// Nothing is tried before this time.
    public private(set) var until: Timestamp?

    /// No failure yet: nothing waits.
    public init() {}

    /// Counts a failure. The wait is between half of the policy's (`jitter` 0) and all of it (`jitter` 1), so that calls that failed together
    /// are not repeated together; it is never shorter than `atLeast`, the time that the other side asked for.
    ///
    /// Nothing is tried during a wait, so a failure then is that of a call that was under way already: it is the same
    /// failure, and can only make the wait longer.
    public mutating func failed(_ policy: Policy, at now: Timestamp, jitter: Double = 1, atLeast: Duration = .zero) {
        if let until, now < until {
            self.until = max(until, now + atLeast)
            return
        }
        failures += 1
        let full = Double(policy.wait(after: failures).milliseconds)
        until = now + max(atLeast, .milliseconds(Int64(full * (0.5 + 0.5 * min(max(jitter, 0), 1)))))
    }

    /// Forgets all failures: nothing waits, and the next failure is the first again.
    public mutating func succeeded() { self = Backoff() }

    /// Whether it is too early to try again.
    public func isWaiting(at now: Timestamp) -> Bool { until.map { now < $0 } ?? false }
}
