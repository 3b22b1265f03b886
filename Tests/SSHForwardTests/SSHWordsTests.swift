import Testing

@testable import SSHForward

@Suite struct SSHWordsTests {
    private static let address: SSHAddress? = try? SSHAddress("ssh://ci@build.example:2222")
    private static let changed = """
        @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
        @    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r
        @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
        Offending ED25519 key in /k:1\r
        Host key for build.example has changed and you have requested strict checking.\r
        Host key verification failed.\r
        """

    /// As OpenSSH 9.2p1 says it.
    @Test(arguments: [
        (
            "No ED25519 host key is known for build.example and you have requested strict checking.\r\nHost key verification failed.\r\n", "is not known",
            "run as root: ssh-keyscan -t ed25519 -p 2222 build.example >>/k"
        ),
        ("Host key verification failed.\r\n", "is not known", "(ssh-keyscan -t ed25519 -p 2222 build.example | ssh-keygen -lf -)"),
        (changed, "is another one than in /k", "run as root: ssh-keygen -R '[build.example]:2222' -f /k; ssh-keyscan -t ed25519 -p 2222 build.example >>/k"),
        ("ci@build.example: Permission denied (publickey).\r\n", "refused the login as ci", "authorized_keys"),
        ("Warning: Identity file /i not accessible: No such file or directory.\nci@b: Permission denied (publickey).", "can't be used", "0600"),
        ("ssh: Could not resolve hostname build.example: Name or service not known\r\n", "does not resolve", "spelling"),
        ("ssh: connect to host build.example port 2222: Connection refused\r\n", "refused the connection", "sshd"),
        ("ssh: connect to host build.example port 2222: Connection timed out\r\n", "can't be reached", "firewall"),
        ("Connection timed out during banner exchange\r\nConnection to 10.255.255.1 port 22 timed out", "can't be reached", "firewall"),
        ("Timeout, server build.example not responding.\r\n", "can't be reached", "firewall"),
        ("kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 1.2.3.4 port 22", "before the login", "fail2ban"),
        ("channel 1: open failed: connect failed: open failed", "has nobody at", "podman.socket"),
        ("channel 1: open failed: administratively prohibited: open failed", "does not forward sockets", "AllowStreamLocalForwarding"),
        ("Bad owner or permissions on /root/.ssh/config", "configuration", "owner"),
        ("ssh can't be started: No such file or directory", "is missing", "openssh-client"),
        ("unix_listener: cannot bind to path /x/y: No such file or directory\r\nCould not request local forwarding.", "can't listen", "folder"),
    ])
    func knownFailuresGetHelpfulWords(_ errors: String, _ what: String, _ todo: String) throws {
        let words = SSHWords.reason(errors, status: "x", address: try #require(Self.address), knownHosts: ["/k"])
        #expect(words.contains(what) && words.contains(todo) && words.contains("ssh says: "), "\(words)")
    }

    /// As known_hosts names hosts: with a port only where it is not the usual one. Without a file of the administrator's, it is that of ssh's user.
    @Test(
        arguments: [
            ("ssh://h", ["/k"], "run as root: ssh-keygen -R h -f /k; ssh-keyscan -t ed25519 h >>/k"),
            ("ssh://h:22", ["/k"], "run as root: ssh-keygen -R h -f /k; ssh-keyscan -t ed25519 -p 22 h >>/k"),
            ("ssh://ci@[fe80::1]:2222/s", ["/k"], "run as root: ssh-keygen -R '[fe80::1]:2222' -f /k; ssh-keyscan -t ed25519 -p 2222 fe80::1 >>/k"),
            ("ssh://h", [], "run as AutoGit's user: ssh-keygen -R h -f ~/.ssh/known_hosts; ssh-keyscan -t ed25519 h >>~/.ssh/known_hosts"),
        ] as [(String, [String], String)])
    func aHostKeyIsReplacedByCommandsThatWork(_ url: String, _ files: [String], _ commands: String) throws {
        let words = SSHWords.reason(Self.changed, status: "x", address: try SSHAddress(url), knownHosts: files)
        #expect(words.contains("if it is the same, \(commands) (ssh says: "), "\(words)")
    }

    @Test func whatIsNotKnownIsRepeated() throws {
        let address = try #require(Self.address)
        #expect(SSHWords.reason("one\n\ntwo\r\nthree\u{1B}[31m\n", status: "x", address: address) == "two three [31m")
        #expect(SSHWords.reason(" \r\n", status: "ssh ended with exit code 255", address: address) == "ssh ended with exit code 255")
        #expect(SSHWords.reason(String(repeating: "x ", count: 9000), status: "", address: address).count == 300)
    }

    @Test func nothingOfAKeyIsRepeated() throws {
        let key = String(repeating: "AAAAC3Nza+", count: 7)
        let words = SSHWords.reason("-----BEGIN OPENSSH PRIVATE KEY-----\n\(key)\nodd \(key) end", status: "x", address: try #require(Self.address))
        #expect(words == "… odd … end")
    }
}
