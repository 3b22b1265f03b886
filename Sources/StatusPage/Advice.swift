/// The way out of each reason for waiting, by its code.
struct Advice {
    /// The order in which reasons are shown.
    enum Urgency: Int, Comparable {
        /// Somebody has to do something.
        case act
        /// A bound or an order is the cause. It may be meant.
        case bound
        /// It passes within seconds.
        case soon
        static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    var urgency: Urgency
    /// Text and commands, or nothing where the reason says it all.
    var steps: HTML

    private init(_ urgency: Urgency, _ steps: HTML) {
        self.urgency = urgency
        self.steps = steps
    }

    /// For jobs that have a runner on its way.
    static let onItsWay = Advice(.soon, "Nothing to do.")
    private static let reload: HTML = "in <code>/etc/autogit/autogit.toml</code>, then <code>systemctl reload autogit</code>"

    /// - Parameter code: of `WaitingReason`; a code that is not known here, as of a later version, has general advice.
    static func forCode(_ code: String?) -> Advice {
        switch code {
        case "starting-up": Advice(.soon, "This takes a few seconds after a start.")
        case "tags-unknown": Advice(.soon, "This takes a few seconds.")
        case "making-room": Advice(.soon, "The job’s runner is started once that one is gone.")
        case "launches-at-bound": Advice(.soon, "The job’s runner is started once one of these is up.")
        case "probing": Advice(.soon, "If it works, the others follow at once.")
        case "gitlab-refuses": Advice(.act, "Make the token’s owner a member of the project; <code>autogitctl doctor</code> shows who that is.")
        case "gitlab-away": Advice(.act, "AutoGit keeps trying. Check that GitLab runs and can be reached from here: <code>autogitctl doctor</code>.")
        case "token-refused": Advice(.act, "Create a token in GitLab and store it with <code>autogitctl token set</code>.")
        case "store-not-writable": Advice(.act, "Check space and permissions of <code>/var/lib/autogit</code>. AutoGit goes on once it can write.")
        case "no-pool": Advice(.act, "Add the tags to a pool \(reload); or change the job’s tags.")
        case "held":
            Advice(.act, "In the project: Settings, CI/CD, Runners. Turn instance runners on, and check whether the job needs a protected runner.")
        case "backing-off": Advice(.act, "AutoGit tries again by itself; see the pool’s <a href='#pools'>last error</a>.")
        case "quarantined": Advice(.act, "One runner at a time is tried until one starts; see the <a href='#failures'>last failures</a>.")
        case "engine-down": Advice(.act, "AutoGit goes on once it answers: <code>autogitctl doctor</code> says how to start it.")
        case "host-unfit": Advice(.act, "<code>autogitctl hosts</code> shows what this host can run.")
        case "no-emulator", "no-gpu": Advice(.act, "<code>autogitctl doctor</code> names the missing piece.")
        case "disk-reserve":
            Advice(.act, "Free space for the engine: <code>podman image prune</code> as the service’s user; or lower <code>disk_reserve</code>.")
        case "pool-paused": Advice(.bound, "Resume the pool: <code>autogitctl resume</code>, or its button under <a href='#pools'>Pools</a>.")
        case "at-maximum": Advice(.bound, "Wait for a runner, or raise <code>max_runners</code> \(reload).")
        case "project-at-maximum": Advice(.bound, "Wait for one of the project’s jobs, or raise <code>max_per_project</code> \(reload).")
        case "memory-budget": Advice(.bound, "Wait for a runner, or lower <code>memory</code> or <code>services_limit</code> of the pool \(reload).")
        case "cpu-budget": Advice(.bound, "Wait for a runner, or raise <code>cpus</code> under <code>[host]</code> \(reload).")
        case "gpus-in-use": Advice(.bound, "Wait for a GPU; <code>autogitctl gpus</code> shows who has them.")
        case "host-drained": Advice(.bound, "Resume the host: <code>autogitctl hosts resume</code>.")
        case "host-waking": Advice(.soon, "The job’s runner is started once it answers.")
        case "host-stays-asleep":
            Advice(
                .act,
                "It is called again later. Switch it on by hand, and check <code>wake</code> of its <code>[host.power]</code>: <code>autogitctl hosts</code>.")
        case "no-host": Advice(.act, "Name one of the hosts under <code>[[host]]</code> in the pool’s <code>hosts</code> \(reload).")
        case "no-host-takes": Advice(.act, "<code>autogitctl hosts</code> shows how the hosts are.")
        case "resource-in-use": Advice(.bound, "Wait for a runner that has it, or raise it under the host’s <code>resources</code> if there are more.")
        case "preferred-full": Advice(.soon, "Another host is used after the pool’s <code>overflow_after</code>.")
        case "evacuating": Advice(.bound, "Somebody ordered it; <code>systemctl restart autogit</code> starts runners again.")
        default: Advice(.bound, "<code>autogitctl doctor</code> looks for the cause.")
        }
    }
}
