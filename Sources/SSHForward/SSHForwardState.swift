import Fleet

/// Where a forward stands.
public enum SSHForwardState: Sendable, Equatable {
    /// ssh is connecting, or has not been started yet.
    case opening
    /// The local socket accepts connections, since then; they end at the host's socket of that path.
    case open(remoteSocket: String, since: Timestamp)
    /// ssh has ended, for a reason that operators can read; it is started again at that time.
    case closed(reason: String, until: Timestamp)
}

/// A change of a forward.
public enum SSHForwardEvent: Sendable, Equatable {
    /// The local socket accepts connections.
    case opened(remoteSocket: String)
    /// The host did not connect somebody to its socket, for that reason; told once in the life of a connection, which stays.
    case refused(reason: String)
    /// ssh has ended, and is started again later.
    case closed(reason: String)
}
