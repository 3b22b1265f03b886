import Fleet
import FoundationEssentials

/// Where an engine is, as the database keeps it for when its host has no section any more.
extension EngineAddress {
    /// The keys of `[[host]]` that say it.
    private struct Keys: Codable {
        var engine: String
        var tls_ca: String?
        var tls_cert: String?
        var tls_key: String?
        var kubeconfig: String?
        var context: String?
        var namespace: String?
    }

    /// The address, or a JSON object where it takes more than that. Files are named, not kept.
    public var remembered: String {
        var keys = Keys(engine: description)
        switch self {
        case .tcp(_, _, let tls?): (keys.tls_ca, keys.tls_cert, keys.tls_key) = (tls.ca, tls.certificate, tls.key)
        case .kubernetes(let place): (keys.kubeconfig, keys.context, keys.namespace) = (place.kubeconfig, place.context, place.namespace)
        case .usual, .unix, .ssh, .tcp, .swarm: return description
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(keys)).map { String(decoding: $0, as: UTF8.self) } ?? description
    }

    /// Whether two addresses are of the same runners: others' files of TLS, or another kubeconfig, may well be.
    public func isWhere(_ other: EngineAddress) -> Bool {
        if case .kubernetes(let one) = self, case .kubernetes(let two) = other { return one.context == two.context && one.namespace == two.namespace }
        return description == other.description
    }

    /// nil for what this version can't read, and where an earlier one did not keep enough: the files of TLS, and where a cluster is.
    public init?(remembered text: String) {
        let isWhole = text.hasPrefix("{")
        guard let keys = isWhole ? try? JSONDecoder().decode(Keys.self, from: Data(text.utf8)) : Keys(engine: text),
            let address = try? EngineAddress(keys.engine)
        else { return nil }
        switch address {
        case .tcp(let host, let port, _):
            if let ca = keys.tls_ca, let certificate = keys.tls_cert, let key = keys.tls_key {
                self = .tcp(host, port, tls: EngineTLS(ca: ca, certificate: certificate, key: key))
            } else if Self.isLoopback(host) {
                self = address
            } else {
                return nil
            }
        case .kubernetes:
            if !isWhole { return nil }
            self = .kubernetes(KubernetesPlace(kubeconfig: keys.kubeconfig, context: keys.context, namespace: keys.namespace))
        case .usual, .unix, .ssh, .swarm: self = address
        }
    }
}
