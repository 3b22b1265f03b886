/// Makes of what ssh wrote what an operator needs.
enum SSHWords {
    /// Characters of ssh's own words.
    static let longest = 300

    /// Why ssh ended or refused.
    /// - Parameters:
    ///   - errors: its standard error, or the end of it.
    ///   - status: words for how it ended, used when it wrote nothing.
    ///   - knownHosts: the files with host keys that it was given; empty for its own.
    static func reason(_ errors: String, status: String, address: SSHAddress, knownHosts: [String] = []) -> String {
        let lines = meaningful(errors)
        let said = String((lines.isEmpty ? status : lines.suffix(2).joined(separator: " ")).prefix(longest))
        guard let advice = advice(lines, address, knownHosts) else { return said }
        return "\(advice) (ssh says: \(said))"
    }

    /// Lines of text, without blank ones, frames, and whatever could be of a key.
    static func meaningful(_ errors: String) -> [String] {
        errors.split(whereSeparator: \.isNewline).map { clean($0) }.filter { line in
            !line.isEmpty && !line.hasPrefix("@@@@") && !line.contains("PRIVATE KEY-----") && !line.hasPrefix("Pseudo-terminal will not be allocated")
        }
    }

    /// Without control characters, blanks at the ends and words that look like a part of a key.
    static func clean(_ line: Substring) -> String {
        let plain = String(String.UnicodeScalarView(line.unicodeScalars.map { $0.value < 32 || (127..<160).contains($0.value) ? " " : $0 }))
        return plain.split(separator: " ").map { isOfKey($0) ? "…" : $0 }.joined(separator: " ")
    }

    /// Base64 as in files of keys: public ones begin with AAAA, lines of private ones have up to 76 characters.
    private static func isOfKey(_ word: Substring) -> Bool {
        guard word.utf8.count >= 48, !word.hasPrefix("/"), !word.hasPrefix("SHA256:") else { return false }
        return word.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 43 || $0 == 47 || $0 == 61 }
    }

    /// What happened and what to do; nil for what isn't known here.
    private static func advice(_ lines: [String], _ address: SSHAddress, _ knownHosts: [String]) -> String? {
        func says(_ words: String...) -> Bool { words.contains { word in lines.contains { $0.contains(word) } } }
        let host = address.host
        let keys = HostKeyWords(address, file: knownHosts.first)
        if says("REMOTE HOST IDENTIFICATION HAS CHANGED", "has changed and you have requested strict checking") {
            return "the host key of \(host) is another one than in \(keys.file), so AutoGit does not connect: it was installed again, or somebody is in "
                + "between. \(keys.compare); if it is the same, \(keys.replace)"
        }
        if says("REVOKED HOST KEY") { return "the host key of \(host) is revoked, so AutoGit does not connect: give the host another one" }
        if says("host key is known for", "Host key verification failed") {
            return "the host key of \(host) is not known, so AutoGit does not connect. \(keys.compare); if it is the same, \(keys.add)"
        }
        if says("not accessible: No such file", "UNPROTECTED PRIVATE KEY FILE", "Load key") && says("Permission denied (") {
            return "the key for \(host) can't be used, so the host refused the login. See that AutoGit's user owns its file, that the file has mode 0600, "
                + "and that the key has no passphrase"
        }
        if says("Permission denied (") {
            return "\(host) refused the login\(address.user.map { " as \($0)" } ?? ""). Add the public key to ~/.ssh/authorized_keys there, "
                + "and see that the user is the right one"
        }
        if says("Could not resolve hostname") { return "the name \(host) does not resolve. See the spelling and the name service" }
        if says("Connection refused") { return "\(host) refused the connection. Start sshd there, and see that the port is right" }
        if says("timed out", "No route to host", "Network is unreachable", "not responding") {
            return "\(host) can't be reached. See that it is on, and that no firewall is in between"
        }
        if says("kex_exchange_identification", "Connection reset by") {
            return "\(host) closed the connection before the login. See whether it limits or bans this machine (MaxStartups, fail2ban)"
        }
        if says("administratively prohibited") {
            return "sshd of \(host) does not forward sockets. Set AllowStreamLocalForwarding yes in its sshd_config, and remove restrict from the key's line"
        }
        if says("open failed: connect failed") {
            return "\(host) has nobody at \(address.path ?? "the engine's socket"). Start the engine there, for example with "
                + "systemctl --user enable --now podman.socket"
        }
        if says("Bad owner or permissions on") {
            return "ssh does not read its configuration. Make AutoGit's user the owner of the file, and take write access from others"
        }
        if says("ssh can't be started"), says("No such file") { return "OpenSSH's client is missing. Install openssh-client" }
        if says("unix_listener", "Could not request local forwarding") {
            return "ssh can't listen on its socket on this machine. See that the socket's folder is there, and that AutoGit's user may write to it"
        }
        return nil
    }
}

/// Commands about a host's key, for a shell.
private struct HostKeyWords {
    /// With what is known of hosts.
    let file: String
    private let who: String
    private let scan: String
    /// As ssh writes it into such a file: a port other than the usual one is a part of it. The shell would take the brackets for a pattern.
    private let name: String

    /// - Parameter file: that of the administrator; nil where the user of ssh has one.
    init(_ address: SSHAddress, file: String?) {
        self.file = file ?? "~/.ssh/known_hosts"
        who = file == nil ? "as AutoGit's user" : "as root"
        scan = "ssh-keyscan -t ed25519 \(address.port.map { "-p \($0) " } ?? "")\(address.host)"
        name = address.port.flatMap { $0 == 22 ? nil : "'[\(address.host)]:\($0)'" } ?? address.host
    }

    /// A key that was fetched proves nothing by itself. OpenSSH has had ed25519 since 2014.
    var compare: String { "Compare its fingerprint (\(scan) | ssh-keygen -lf -) with that of ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub over there" }
    var add: String { "run \(who): \(scan) >>\(file)" }
    var replace: String { "run \(who): ssh-keygen -R \(name) -f \(file); \(scan) >>\(file)" }
}
