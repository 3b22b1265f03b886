import Fleet
import FoundationEssentials
import HTTPTransfer
import Synchronization
import Threads

/// Bare calls to a cluster's API.
public struct KubeAPI: Sendable {
    let http: HTTPClient
    /// Where it is, and who we are.
    public let access: KubeAccess
    private let tokens: TokenSource

    /// A cluster that may be there or not: nothing is called yet.
    /// - Parameter clock: tells how old a token from a file is.
    public init(_ access: KubeAccess, http: HTTPClient, clock: any WallClock = SystemClock()) {
        self.http = http
        self.access = access
        tokens = TokenSource(access.token, clock)
    }

    /// The kinds of things that AutoGit asks for in its namespace.
    enum Kind: String, Sendable {
        case jobs, pods, secrets, events

        fileprivate func path(in namespace: String) -> String {
            "\(self == .jobs ? "/apis/batch/v1" : "/api/v1")/namespaces/\(percentEncoded(namespace))/\(rawValue)"
        }
    }

    /// - Parameters:
    ///   - name: of one thing; nil for all of them.
    ///   - query: is encoded here.
    func path(_ kind: Kind, _ name: String? = nil, _ part: String? = nil, query: [(String, String)] = []) -> String {
        let path = ([kind.path(in: access.namespace)] + [name, part].compactMap { $0 }.map(percentEncoded)).joined(separator: "/")
        if query.isEmpty { return path }
        return path + "?" + query.map { "\($0)=\(percentEncoded($1))" }.joined(separator: "&")
    }

    /// Calls the API and waits for the whole answer.
    /// - Parameters:
    ///   - type: of the body.
    ///   - allowed: statuses of errors that are an answer here.
    ///   - timeout: bound on the whole call.
    /// - Throws: `KubernetesError` for any other status and for no answer; `CancellationError`.
    @discardableResult
    func call(
        _ method: String, _ path: String, body: [UInt8]? = nil, type: String = "application/json", allowed: Set<Int> = [], timeout: Duration = .seconds(60)
    ) async throws -> HTTPResponse {
        let answer = try await sent { headers in
            try await http.send(
                access.request(method, path, headers: (body == nil ? [] : [("Content-Type", type)]) + headers, body: body, timeout: timeout))
        }
        guard answer.isSuccess || allowed.contains(answer.status) else { throw KubernetesError(answer, to: Self.words(method, path)) }
        return answer
    }

    /// Calls the API and returns the body of its answer as it comes, only as fast as it is read. It ends with its reader.
    /// - Parameter timeout: bound on the whole answer; nil for none.
    /// - Throws: `KubernetesError` for a status that is an error and for no answer, the stream also when it breaks off; `CancellationError`.
    func stream(_ path: String, timeout: Duration?) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        var body: AsyncThrowingStream<[UInt8], any Error>?
        let head = try await sent { headers in
            var (head, chunks) = try await http.stream(access.request("GET", path, headers: headers, timeout: timeout))
            if head.isSuccess { body = chunks } else { head.body = await HTTPClient.complaint(in: chunks) }
            return head
        }
        guard head.isSuccess, let body else { throw KubernetesError(head, to: Self.words("GET", path)) }
        return AsyncThrowingStream {
            var iterator = body.makeAsyncIterator()
            do { return try await iterator.next() } catch let error as TransferError { throw noAnswer(error) }
        }
    }

    func decode<T: Decodable>(_ type: T.Type, _ answer: HTTPResponse) throws -> T {
        do { return try JSONDecoder().decode(type, from: Data(answer.body)) } catch {
            // Without its words: an answer to a Secret has the Secret in it.
            throw KubernetesError(status: answer.status, message: "Kubernetes answered something unexpected, where \(T.self) was due")
        }
    }

    // MARK: Parts

    /// A token that is refused may have been renewed in its file meanwhile: then it is asked once more.
    private func sent(_ ask: ([(name: String, value: String)]) async throws -> HTTPResponse) async throws -> HTTPResponse {
        do {
            let answer = try await ask(try await headers(fresh: false))
            guard answer.status == 401, tokens.isFile else { return answer }
            return try await ask(try await headers(fresh: true))
        } catch let error as TransferError {
            throw noAnswer(error)
        }
    }

    private func headers(fresh: Bool) async throws -> [(name: String, value: String)] {
        let accept = [(name: "Accept", value: "application/json")]
        guard let token = try await tokens.token(fresh: fresh) else { return accept }
        return accept + [(name: "Authorization", value: "Bearer \(token.reveal())")]
    }

    private func noAnswer(_ error: TransferError) -> any Error {
        switch error.kind {
        // The caller has lost interest, and the cluster has done nothing wrong.
        case .cancelled: CancellationError()
        case .tls: KubernetesError(message: "\(access.server) is not known to be the cluster (\(error.message)): look at its certificate authority")
        default: KubernetesError(message: "the Kubernetes API at \(access.server) does not answer (\(error.message)): is the cluster up?")
        }
    }

    private static func words(_ method: String, _ path: String) -> String { "\(method) \(path.prefix { $0 != "?" })" }
}

/// The token as it is now. One from a file is read again each minute, as Kubernetes' own client does.
private final class TokenSource: Sendable {
    private let source: KubeAccess.Token?
    private let clock: any WallClock
    private let known = Mutex<(token: Secret, at: Timestamp)?>(nil)

    init(_ source: KubeAccess.Token?, _ clock: any WallClock) {
        self.source = source
        self.clock = clock
    }

    var isFile: Bool { if case .file = source { true } else { false } }

    /// - Parameter fresh: read the file now.
    func token(fresh: Bool) async throws -> Secret? {
        switch source {
        case nil: return nil
        case .text(let token): return token
        case .file(let path):
            let now = clock.now()
            if !fresh, let known = known.withLock({ $0 }), now - known.at < .seconds(60) { return known.token }
            let content = try await onThread("reading a token") { FileManager.default.contents(atPath: path).map { Array($0) } }
            guard let content else { throw KubernetesError(message: "the token in \(path) can't be read") }
            let token = Secret(String(decoding: content, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined())
            known.withLock { $0 = (token, now) }
            return token
        }
    }
}
