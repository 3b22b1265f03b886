import Fleet
import FoundationEssentials
import HTTPTransfer

/// The cluster refused, failed, or can't be reached. It never quotes a token or a key.
public struct KubernetesError: DriverFailure, Sendable, CustomStringConvertible {
    /// The HTTP status; nil when there was no answer, and for a trouble that no single answer told of.
    public var status: Int?
    /// Kubernetes' one word for it, such as `AlreadyExists`; nil where it gave none.
    public var reason: String?
    /// What happened, with Kubernetes' own words where there are some.
    public var message: String
    /// The cluster could not be asked, does not take our credentials, or has trouble of its own: it says nothing about the runner.
    public var isOutage: Bool
    /// The message.
    public var description: String { message }

    /// - Parameter isOutage: by default whether there is no status.
    public init(status: Int? = nil, reason: String? = nil, message: String, isOutage: Bool? = nil) {
        self.status = status
        self.reason = reason
        self.message = message
        self.isOutage = isOutage ?? (status == nil)
    }

    /// An answer that is an error: a `v1.Status`, or whatever stands before the cluster has to say.
    init(_ answer: HTTPResponse, to what: String) {
        let said = try? JSONDecoder().decode(KubeStatus.self, from: Data(answer.body))
        self.init(said ?? KubeStatus(), status: answer.status, otherwise: answer.text, to: what)
    }

    /// A `v1.Status`, which a watch also has in an answer of status 200.
    init(_ said: KubeStatus, status: Int? = nil, otherwise text: String = "", to what: String) {
        let status = status ?? said.code
        let words = said.message.flatMap { $0.isEmpty ? nil : $0 } ?? String(text.prefix(300))
        let hint =
            switch status {
            case 401: ". Kubernetes does not take AutoGit's credentials: renew those in the kubeconfig, or the service account's token"
            case 403: ". Give AutoGit's account the Role of autogit's documentation"
            default: ""
            }
        self.init(
            status: status, reason: said.reason, message: "Kubernetes answered \(status.map { "\($0)" } ?? "an error") to \(what): \(words)\(hint)",
            isOutage: Self.isOutage(status, words))
    }

    /// What says nothing of the thing that was asked for: credentials, a server that is busy, a proxy without a server, and a server without etcd,
    /// which has the status 500 and words of its own.
    private static func isOutage(_ status: Int?, _ words: String) -> Bool {
        switch status {
        case nil, 401, 408, 429, 502, 503, 504: true
        case 500: words.contains("etcdserver:") || words.contains("rpc error:")
        default: false
        }
    }
}

/// `v1.Status`, with which Kubernetes answers what fails.
struct KubeStatus: Decodable, Sendable {
    var message: String?
    var reason: String?
    var code: Int?
}
