import Fleet
import Hummingbird
import Synchronization

/// Readers of the page who signed in. They are kept in memory only: a restart of the daemon signs everybody out.
final class Sessions: Sendable {
    /// One reader's.
    struct Session: Sendable {
        /// In the page's forms: another site can have a browser send the cookie, but can't read this.
        var csrf: String
        var end: ContinuousClock.Instant
    }

    static let cookie = "autogit-session"
    static let length = Duration.seconds(12 * 3600)
    /// The oldest give way.
    static let most = 100

    private let sessions = Mutex<[String: Session]>([:])

    /// - Returns: the cookie's value.
    func open(at now: ContinuousClock.Instant = .now) -> String {
        let id = Self.random()
        sessions.withLock { sessions in
            sessions = sessions.filter { $0.value.end > now }
            while sessions.count >= Self.most, let oldest = sessions.min(by: { $0.value.end < $1.value.end }) { sessions[oldest.key] = nil }
            sessions[id] = Session(csrf: Self.random(), end: now + Self.length)
        }
        return id
    }

    /// The session of a request's cookie; nil where it has none, or one that is over.
    func session(of request: Request, at now: ContinuousClock.Instant = .now) -> Session? {
        guard let id = request.cookies[Self.cookie]?.value, let session = sessions.withLock({ $0[id] }), session.end > now else { return nil }
        return session
    }

    func close(of request: Request) {
        guard let id = request.cookies[Self.cookie]?.value else { return }
        sessions.withLock { $0[id] = nil }
    }

    /// 256 bits of the system's generator.
    private static func random() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<4).map { _ in
            let text = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined()
    }
}
