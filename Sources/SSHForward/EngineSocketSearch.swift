/// Asks a host where its engine's socket is.
enum EngineSocketSearch {
    /// For `sh -s`, which any login shell starts. The user's own engines go first.
    static let script = """
        u=$(id -u)
        for s in /run/user/$u/podman/podman.sock /run/user/$u/docker.sock /run/podman/podman.sock /var/run/docker.sock; do
            if [ -S "$s" ] && [ -r "$s" ] && [ -w "$s" ]; then echo "autogit-socket $s"; exit 0; fi
        done
        echo autogit-socket
        exit 0

        """

    /// Bytes of an answer, with what a login shell says before.
    static let longestAnswer = 64 << 10

    /// - Throws: `SSHError` where there is none.
    static func socket(in answer: [UInt8], of address: SSHAddress) throws(SSHError) -> String {
        let line = String(decoding: answer, as: UTF8.self).split(whereSeparator: \.isNewline).last { $0.hasPrefix("autogit-socket") }
        guard let line else { throw SSHError("\(address.host) did not answer where its engine's socket is. Give the socket's path in the address") }
        let path = String(line.dropFirst("autogit-socket".count).drop { $0 == " " })
        guard !path.isEmpty else {
            throw SSHError(
                "\(address.host) has no socket of an engine that \(address.user ?? "the user") may use. Run there, as that user: "
                    + "systemctl --user enable --now podman.socket; and as root: loginctl enable-linger \(address.user ?? "USER")")
        }
        if let fault = SSHAddress.fault(ofSocket: path) { throw SSHError("\(address.host) named a socket whose path \(fault)") }
        return path
    }
}
