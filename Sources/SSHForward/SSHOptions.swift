/// How ssh is called.
struct SSHOptions: Sendable {
    var address: SSHAddress
    /// The path of a private key; nil for those that ssh finds itself.
    var identity: String?
    /// Files with host keys; empty for ssh's own.
    var knownHosts: [String]

    /// For all calls. Of options with one value, ssh takes the first one that it reads, and it reads the command line before its files; so none of these can be
    /// changed by a configuration. What adds up (forwards, keys, variables to send) can be added to.
    private static let always = [
        // Nobody is there to be asked.
        "BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no",
        // A dead peer is noticed within a minute.
        "ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=3",
        "ExitOnForwardFailure=yes", "StreamLocalBindUnlink=yes", "StreamLocalBindMask=0177", "ClearAllForwardings=no",
        // The process that we started is the connection: it must not give it to another, or leave for the background.
        "ControlMaster=no", "ControlPath=none", "ControlPersist=no", "ForkAfterAuthentication=no",
        // The host gets nothing that it needs not.
        "ForwardAgent=no", "ForwardX11=no", "Tunnel=no", "AddKeysToAgent=no", "PermitLocalCommand=no", "RemoteCommand=none", "RequestTTY=no",
        "EscapeChar=none",
        // With ERROR, ssh ends without a word when the host falls silent (seen with 9.2).
        "LogLevel=INFO",
    ]

    /// The arguments for a forward that runs until it is ended.
    func forward(from local: String, to remote: String) -> [String] {
        common + ["-N", "-L", "\(Self.escaped(local)):\(Self.escaped(remote))"] + destination
    }

    /// The arguments for a command that the user's shell there runs.
    func command(_ command: String) -> [String] { common + ["-o", "SessionType=default", "-T"] + destination + [command] }

    private var common: [String] {
        var options = Self.always.flatMap { ["-o", $0] }
        if let identity { options += ["-o", "IdentitiesOnly=yes", "-i", Self.escaped(identity)] }
        if !knownHosts.isEmpty { options += ["-o", "UserKnownHostsFile=\(knownHosts.map { "\"\(Self.escaped($0))\"" }.joined(separator: " "))"] }
        return options
    }

    private var destination: [String] {
        (address.port.map { ["-p", "\($0)"] } ?? []) + (address.user.map { ["-l", $0] } ?? []) + ["--", address.host]
    }

    /// ssh replaces tokens such as %h in paths, and %% by a percent sign (ssh_config(5), TOKENS).
    private static func escaped(_ path: String) -> String {
        path.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "%%")
    }

    /// Of our own variables only what ssh needs, and the programs that it starts: a daemon's others may be secrets.
    static func environment(_ ours: [String: String]) -> [String] {
        let wanted = ["HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR"]
        return ["PATH=\(ours["PATH"] ?? "/usr/local/bin:/usr/bin:/bin")", "LC_ALL=C"] + wanted.compactMap { name in ours[name].map { "\(name)=\($0)" } }
    }
}
