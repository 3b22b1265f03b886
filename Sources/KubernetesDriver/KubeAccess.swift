import Fleet
import FoundationEssentials
import Glibc
import HTTPTransfer

/// Where a cluster's API is, who may answer there, and who we are.
public struct KubeAccess: Sendable, Equatable {
    /// Such as `https://10.0.0.1:6443`, perhaps with a path, without a slash at its end.
    public var server: String
    /// Where all that AutoGit makes is made.
    public var namespace: String
    /// The path of the certificates that may have signed the server's; nil for the system's, or where `pem` has them.
    public var caFile: String?
    /// Our certificate and its key as files; nil for none, or where `pem` has them.
    public var certificate: ClientCertificate?
    /// The same as texts.
    public var pem = PEM()
    /// What we show with each request; nil where a certificate is all.
    public var token: Token?

    /// A bearer token.
    public enum Token: Sendable, Equatable {
        case text(Secret)
        /// The path of a file, which somebody renews: the token of a service account lives for an hour.
        case file(String)
    }

    /// - Parameter server: with or without a slash at its end.
    public init(server: String, namespace: String = "default", token: Token? = nil) {
        self.server = server.hasSuffix("/") ? String(server.dropLast()) : server
        self.namespace = namespace
        self.token = token
    }

    /// Where Kubernetes puts a service account's files into a pod
    /// (kubernetes.io/docs/tasks/run-application/access-api-from-pod).
    public static let accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// The service account of the pod that this process runs in.
    /// - Parameters:
    ///   - environment: the process's.
    ///   - folder: where the account's files are.
    /// - Throws: `Unusable` outside of a pod, and in one without an account.
    public static func inCluster(environment: [String: String], folder: String = accountFolder) throws -> KubeAccess {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], let port = environment["KUBERNETES_SERVICE_PORT"], !host.isEmpty, !port.isEmpty else {
            throw Unusable(
                "AutoGit does not run in a pod of a cluster (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set): name a kubeconfig")
        }
        func file(_ name: String) throws -> [UInt8] {
            guard let content = FileManager.default.contents(atPath: "\(folder)/\(name)") else {
                throw Unusable("\(folder)/\(name) can't be read: give AutoGit's pod a service account, and leave automountServiceAccountToken on")
            }
            return Array(content)
        }
        let namespace = String(decoding: try file("namespace"), as: UTF8.self).split(whereSeparator: \.isWhitespace).joined()
        _ = try file("token")
        _ = try file("ca.crt")
        var access = KubeAccess(
            server: "https://\(host.contains(":") ? "[\(host)]" : host):\(port)", namespace: namespace, token: .file("\(folder)/token"))
        access.caFile = "\(folder)/ca.crt"
        return access
    }

    /// The access can't be had from what is configured.
    public struct Unusable: Error, Sendable, Equatable, CustomStringConvertible {
        /// What is wrong, and what to do.
        public var description: String
        init(_ description: String) { self.description = description }
    }

    func request(
        _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil, timeout: Duration?, maxBody: Int = 64 << 20
    ) -> HTTPRequest {
        var request = HTTPRequest(method, server + path, headers: headers, body: body, caFile: caFile, timeout: timeout, maxBody: maxBody)
        request.clientCertificate = certificate
        request.pem = pem
        return request
    }
}
