import Fleet
import FoundationEssentials
import HTTPTransfer
import HostProbe

/// Reads a kubeconfig (kubernetes.io/docs/reference/config-api/kubeconfig.v1): JSON, or the YAML that programs write. What would need a program
/// to be run, or would weaken TLS, is refused by its name.
public struct Kubeconfig: Sendable {
    private let tree: PlainTree
    /// For messages.
    private let name: String
    /// Where relative paths begin.
    private let folder: String

    /// What to do about a file that can't be read here.
    static let convert = "kubectl config view --raw --flatten --minify -o json > FILE writes it in a form that can"

    /// - Parameter path: of the file.
    /// - Throws: `KubeAccess.Unusable`
    public init(path: String) throws {
        guard let content = FileManager.default.contents(atPath: path) else { throw KubeAccess.Unusable("the kubeconfig \(path) can't be read") }
        try self.init(String(decoding: content, as: UTF8.self), path: path)
    }

    /// - Parameters:
    ///   - text: the file's content.
    ///   - path: where it is, for relative paths and for messages.
    /// - Throws: `KubeAccess.Unusable`
    public init(_ text: String, path: String) throws {
        name = path
        folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        if text.first(where: { !$0.isWhitespace }) == "{" {
            do { tree = try JSONDecoder().decode(PlainTree.self, from: Data(text.utf8)) } catch {
                throw KubeAccess.Unusable("the kubeconfig \(path) is not valid JSON")
            }
        } else {
            do { tree = try PlainYAML.read(text) } catch let error as Malformed {
                throw KubeAccess.Unusable("the kubeconfig \(path) can't be read: \(error.reason). \(Self.convert)")
            }
        }
    }

    /// What a context stands for.
    /// - Parameter context: its name; nil for the file's current one.
    /// - Throws: `KubeAccess.Unusable`, with the name of the setting that can't be used.
    public func access(context: String? = nil) throws -> KubeAccess {
        guard let wanted = context ?? text(tree, "current-context") else {
            throw unusable("has no current-context: name one of \(names(of: "contexts")) as the host's context")
        }
        guard let chosen = entry(wanted, in: "contexts", "context") else { throw unusable("has no context \(wanted), only \(names(of: "contexts"))") }
        guard let cluster = text(chosen, "cluster").flatMap({ entry($0, in: "clusters", "cluster") }), let server = text(cluster, "server") else {
            throw unusable("names no cluster with a server for the context \(wanted)")
        }
        guard server.hasPrefix("https://") || server.hasPrefix("http://") else { throw unusable("has a server that is no https URL: \(server)") }
        var access = KubeAccess(server: server, namespace: text(chosen, "namespace") ?? "default")
        try trust(cluster, &access)
        let user = text(chosen, "user").flatMap { entry($0, in: "users", "user") }
        if let user { try identity(user, &access) }
        return access
    }

    private func trust(_ cluster: PlainTree, _ access: inout KubeAccess) throws {
        if text(cluster, "insecure-skip-tls-verify") == "true" {
            throw unusable("says insecure-skip-tls-verify: anybody could pose as the cluster and get the runners' tokens. Put the cluster's certificate there")
        }
        for key in ["tls-server-name", "proxy-url"] where text(cluster, key) != nil { throw unusable("has \(key), which AutoGit does not use") }
        if let data = try data(cluster, "certificate-authority-data") {
            access.pem.authorities = data
        } else {
            access.caFile = text(cluster, "certificate-authority").map(absolute)
        }
    }

    private func identity(_ user: PlainTree, _ access: inout KubeAccess) throws {
        for (key, why) in [
            ("exec", "runs a program for the credentials"), ("auth-provider", "runs a program for the credentials"),
            ("username", "asks for a name and a password, which Kubernetes takes no more"), ("as", "acts as somebody else"),
        ] {
            guard let value = user[key], value != .nothing else { continue }
            throw unusable("has \(key) for its user, which \(why). Make a service account for AutoGit, and put its token there")
        }
        if let token = text(user, "token") {
            access.token = .text(Secret(token))
        } else if let file = text(user, "tokenFile") {
            access.token = .file(absolute(file))
        }
        let certificate = try data(user, "client-certificate-data")
        let key = try data(user, "client-key-data")
        let files = (certificate: text(user, "client-certificate").map(absolute), key: text(user, "client-key").map(absolute))
        switch (certificate, key, files.certificate, files.key) {
        case (let certificate?, let key?, _, _): (access.pem.certificate, access.pem.key) = (certificate, key)
        case (nil, nil, let certificate?, let key?): access.certificate = ClientCertificate(certificate: certificate, key: key)
        case (nil, nil, nil, nil): break
        default: throw unusable("has a client certificate without its key, or one as a file and one as data. \(Self.convert)")
        }
    }

    // MARK: The tree

    private func entry(_ name: String, in list: String, _ member: String) -> PlainTree? {
        tree[list]?.elements.first { $0["name"]?.text == name }?[member]
    }

    private func names(of list: String) -> String { tree[list]?.elements.compactMap { $0["name"]?.text }.joined(separator: ", ") ?? "none" }

    private func text(_ tree: PlainTree, _ key: String) -> String? { tree[key]?.text.flatMap { $0.isEmpty ? nil : $0 } }

    private func data(_ tree: PlainTree, _ key: String) throws -> [UInt8]? {
        guard let encoded = text(tree, key) else { return nil }
        guard let data = Data(base64Encoded: encoded) else { throw unusable("has a \(key) that is not base64") }
        return Array(data)
    }

    private func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "\(folder)/\(path)" }

    private func unusable(_ why: String) -> KubeAccess.Unusable { KubeAccess.Unusable("the kubeconfig \(name) \(why)") }
}
