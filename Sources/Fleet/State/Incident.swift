/// The events that an operator acts on, each with the id of its entry in the journal's message catalog
/// (systemd/autogit.catalog): `journalctl -x` then explains it and says what to do.
public enum Incident: String, CaseIterable, Sendable {
    case spawnFailed = "2b1a9c47f0c34d0f8c7c6a4b5be1f601"
    case noContact = "2b1a9c47f0c34d0f8c7c6a4b5be1f602"
    case noPoolFits = "2b1a9c47f0c34d0f8c7c6a4b5be1f603"
    case gitlabUnreachable = "2b1a9c47f0c34d0f8c7c6a4b5be1f604"
    case tokenRefused = "2b1a9c47f0c34d0f8c7c6a4b5be1f605"
    case orphanRemoved = "2b1a9c47f0c34d0f8c7c6a4b5be1f606"
    case poolQuarantined = "2b1a9c47f0c34d0f8c7c6a4b5be1f607"
    case outOfMemory = "2b1a9c47f0c34d0f8c7c6a4b5be1f608"
    case driverUnreachable = "2b1a9c47f0c34d0f8c7c6a4b5be1f609"
    case storeFailed = "2b1a9c47f0c34d0f8c7c6a4b5be1f60a"
    case notLingering = "2b1a9c47f0c34d0f8c7c6a4b5be1f60b"
    case runnerStuck = "2b1a9c47f0c34d0f8c7c6a4b5be1f60c"
    case pollIncomplete = "2b1a9c47f0c34d0f8c7c6a4b5be1f60d"
    case gpuFailed = "2b1a9c47f0c34d0f8c7c6a4b5be1f60e"
    case tokenExpires = "2b1a9c47f0c34d0f8c7c6a4b5be1f621"
    case tokenLacks = "2b1a9c47f0c34d0f8c7c6a4b5be1f622"
}

/// How much an event matters to the operator, as syslog(3) grades it.
public enum Severity: Sendable, Hashable, CaseIterable { case debug, info, notice, warning, error }
