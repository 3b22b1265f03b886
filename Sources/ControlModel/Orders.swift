/// The body of `POST /runners`.
public struct SpawnRequest: Codable, Sendable, Equatable {
    /// The name of the pool to start a runner in.
    public var pool: String
    public init(pool: String) { self.pool = pool }
}

/// The body of `POST /hooks`.
public struct HookRequest: Codable, Sendable, Equatable {
    /// The project's path or id.
    public var project: String
    /// The webhook as GitLab reaches it; absent for the address that this host has on the way to GitLab.
    public var url: String?
    public init(project: String, url: String?) {
        self.project = project
        self.url = url
    }
}

/// The answer of `POST /hooks`.
public struct HookView: Codable, Sendable, Equatable {
    /// As in the request.
    public var project: String
    /// GitLab's id of the hook.
    public var id: Int64
    /// The address that GitLab calls.
    public var url: String
    /// `installed`, or `updated` when the project had this hook already, or `revived` when GitLab had turned that one off.
    public var result: String
    public init(project: String, id: Int64, url: String, result: String) {
        self.project = project
        self.id = id
        self.url = url
        self.result = result
    }
}

/// The answer of `POST /reload` and of a SIGHUP in the journal.
public struct ReloadView: Codable, Sendable, Equatable {
    /// The names of all pools from now on.
    public var pools: [String]
    /// Whether settings changed that only a restart takes over.
    public var needs_restart: Bool
    public init(pools: [String], needs_restart: Bool) {
        self.pools = pools
        self.needs_restart = needs_restart
    }
}

/// One correction of the actual state, as `POST /reconcile` answers.
public struct ReconcileView: Codable, Sendable, Equatable {
    /// `container`, `scope`, `registration`, `runner` or `host`; with `dry_run=true` also `network` or `volume`.
    public var what: String
    /// Its name for people.
    public var name: String
    /// What was done, or with `dry_run=true` would be: `remove`, `ask GitLab what it does`, `leave` for what nobody knows the owner of, or `skip` for a
    /// host that does not answer.
    public var action: String
    /// Why.
    public var reason: String
    public init(what: String, name: String, action: String, reason: String) {
        self.what = what
        self.name = name
        self.action = action
        self.reason = reason
    }
}

/// The answer of `POST /pools/NAME/pause` and `/resume`.
public struct PauseView: Codable, Sendable, Equatable {
    /// The pool's name.
    public var name: String
    /// Its state from now on; it survives a restart of the daemon.
    public var paused: Bool
    public init(name: String, paused: Bool) {
        self.name = name
        self.paused = paused
    }
}

/// The answer of `POST /hosts/NAME/drain` and `/resume`.
public struct DrainView: Codable, Sendable, Equatable {
    /// The host's name.
    public var name: String
    /// Its state from now on; it survives a restart of the daemon.
    public var drained: Bool
    public init(name: String, drained: Bool) {
        self.name = name
        self.drained = drained
    }
}

/// The body of `POST /notify/test`.
public struct NotifyTestRequest: Codable, Sendable, Equatable {
    /// The name of one target; absent for all.
    public var name: String?
    public init(name: String?) { self.name = name }
}

/// How one target's test went, as `POST /notify/test` answers.
public struct NotifyTestView: Codable, Sendable, Equatable {
    /// The target's name.
    public var name: String
    /// `ntfy`, `webhook` or `command`.
    public var kind: String
    /// Scheme and host of its address, or the program.
    public var to: String
    /// Whether the target took it.
    public var delivered: Bool
    /// Why not.
    public var error: String?
    public init(name: String, kind: String, to: String, delivered: Bool, error: String? = nil) {
        self.name = name
        self.kind = kind
        self.to = to
        self.delivered = delivered
        self.error = error
    }
}
