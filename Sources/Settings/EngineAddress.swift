import Fleet

/// Where a host's engine is.
public enum EngineAddress: Sendable, Equatable {
    /// As `[engine]` says; of the host `local` only.
    case usual
    /// A socket of this machine: its absolute path, at most 107 bytes, without a colon.
    case unix(String)
    /// `ssh://[user@]host[:port][/path]`, checked: nothing in it can be taken for an option of ssh, and it holds no password. The path is that of
    /// the engine's socket over there.
    case ssh(String)
    /// A name or an address, an IPv6 one without brackets, and a port from 1 to 65535. Without TLS it is a loopback address.
    case tcp(String, Int, tls: EngineTLS?)
    /// A swarm: the socket of one of its managers, on this machine, as for `unix`.
    case swarm(String)
    /// A Kubernetes cluster.
    case kubernetes(KubernetesPlace)

    /// The engine's socket on its own machine, where the address says so.
    var socket: String? {
        switch self {
        case .unix(let path), .swarm(let path): path
        case .ssh(let url): url.dropFirst("ssh://".count).firstIndex(of: "/").map { String(url[$0...]) }
        case .usual, .tcp, .kubernetes: nil
        }
    }

    /// Whether only this machine can be at the other end.
    static func isLoopback(_ host: String) -> Bool {
        host.lowercased() == "localhost" || host == "::1" || host.wholeMatch(of: /127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}/) != nil
    }
}

extension EngineAddress: CustomStringConvertible {
    /// As the configuration writes it; the files of TLS, and where a cluster is, have keys of their own there.
    public var description: String {
        switch self {
        case .usual: "as [engine] says"
        case .unix(let path): "unix://\(path)"
        case .swarm(let path): "\(Self.swarmScheme)\(path)"
        case .kubernetes: "kubernetes"
        case .ssh(let url): url
        case .tcp(let host, let port, _): host.contains(":") ? "tcp://[\(host)]:\(port)" : "tcp://\(host):\(port)"
        }
    }
}

// MARK: Reading

extension EngineAddress {
    /// What is wrong with a text, and what is expected there. Contains no password.
    struct Complaint: Error { var message: String }

    /// What `init` takes, but for lengths and the range of a port.
    static let pattern =
        "^(kubernetes|(swarm\\+)?unix:///\(pathCharacter)+|ssh://([A-Za-z0-9_][A-Za-z0-9._-]*@)?\(hostPattern)(:[0-9]+)?(/\(pathCharacter)+)?|tcp://\(hostPattern):[0-9]+)$"
    private static let swarmScheme = "swarm+unix://"
    private static let pathCharacter = #"[^\s:?#%]"#
    private static let hostPattern = #"([A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])"#

    /// From a text of the configuration; `tcp` is without TLS.
    init(_ text: String) throws(Complaint) {
        let forms = "expected unix:///PATH, ssh://[USER@]HOST[:PORT][/PATH], tcp://HOST:PORT, swarm+unix:///PATH or kubernetes, for example ssh://user@desktop1"
        if text.wholeMatch(of: /[^\/]*\/\/[^\/@]*:.*@.*/) != nil {
            throw Complaint(message: "must not contain a password: ssh logs in with a key, and tcp with a certificate (tls_cert)")
        }
        let wrong = Complaint(message: "\"\(text)\" is not the address of an engine; \(forms)")
        if text == "kubernetes" {
            self = .kubernetes(KubernetesPlace())
        } else if text.hasPrefix("unix://") {
            let path = String(text.dropFirst("unix://".count))
            if let complaint = Self.complaint(aboutSocket: path) { throw Complaint(message: "\(complaint), as in unix:///run/podman/podman.sock") }
            self = .unix(path)
        } else if text.hasPrefix(Self.swarmScheme) {
            let path = String(text.dropFirst(Self.swarmScheme.count))
            if let complaint = Self.complaint(aboutSocket: path) { throw Complaint(message: "\(complaint), as in swarm+unix:///run/docker.sock") }
            self = .swarm(path)
        } else if let match = text.wholeMatch(
            of: /ssh:\/\/(?:[A-Za-z0-9_][A-Za-z0-9._\-]*@)?(?:[A-Za-z0-9][A-Za-z0-9._\-]*|\[[0-9A-Fa-f:.]+\])(?::([0-9]+))?(\/.*)?/)
        {
            if let port = match.1 { _ = try Self.port(port) }
            if let path = match.2, let complaint = Self.complaint(aboutSocket: String(path)) {
                throw Complaint(message: "\(complaint), as in ssh://user@desktop1/run/user/1000/podman/podman.sock; without a path it is looked for there")
            }
            self = .ssh(text)
        } else if let match = text.wholeMatch(of: /tcp:\/\/([A-Za-z0-9][A-Za-z0-9._\-]*|\[[0-9A-Fa-f:.]+\])(?::([0-9]+))?/) {
            guard let port = match.2 else { throw Complaint(message: "\"\(text)\" has no port; engines with TLS are usually at 2376: \(text):2376") }
            self = .tcp(match.1.filter { $0 != "[" && $0 != "]" }, try Self.port(port), tls: nil)
        } else {
            throw wrong
        }
    }

    private static func port(_ digits: Substring) throws(Complaint) -> Int {
        guard let port = Int(digits), (1...65535).contains(port) else { throw Complaint(message: "\(digits) is not a port: expected 1 to 65535") }
        return port
    }

    /// What keeps a text from being the path of a socket that engines can be asked to mount; nil when nothing does.
    static func complaint(aboutSocket path: String) -> String? {
        guard path.hasPrefix("/"), path.count > 1, !path.hasSuffix("/") else { return "\"\(path)\" is not the absolute path of a socket" }
        if path.utf8.count > 107 { return "\"\(path)\" exceeds the 107 bytes of a socket's path (unix(7)): expected a shorter one" }
        let isPlain = path.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && !":?#%".utf8.contains($0) }
        return isPlain ? nil : "\"\(path)\" is not a valid path of a socket: expected one without spaces and : ? # %"
    }
}
