import FakeGitLab
import Foundation
import Glibc

/// Another machine for the daemon, on this one: an sshd in a network of its own, and behind it a Podman with containers of its own. Cut off, its
/// containers go on, and reach what they reached. To be made by root.
public actor RemoteMachine {
    /// What the daemon knows it by.
    public nonisolated let name: String
    /// Its Podman, reached without ssh.
    public nonisolated let engine: TestEngine
    /// For `[[host]] engine`, without a path: the daemon has to find that.
    public nonisolated let address: String
    /// A line for a file of known hosts.
    public nonisolated let knownHost: String
    private let link: String
    private let children: [Child]

    /// Starts it.
    /// - Parameters:
    ///   - index: tells the machines of this process apart, from 0 to 60.
    ///   - directory: for its keys and its log; shared with the others.
    ///   - key: the public key that may log in.
    /// - Throws: when something of it can't be made, with the words of whoever could not.
    public static func start(_ name: String, index: Int, in directory: String, key: String) async throws -> RemoteMachine {
        let engine = try await TestEngine.startOther(name)
        var children: [Child] = []
        do {
            let log = "\(directory)/\(name).log"
            // A network that is gone with its one process.
            let holder = try await Child.start("unshare", ["--net", "sleep", "infinity"], log: log)
            children.append(holder)
            guard let pid = holder.pid else { throw Command.Failed(description: "unshare ended; see \(log)") }
            try await inNamespace(pid)
            let net = "10.\(128 + Int(getpid()) % 100).\(Int(getpid()) / 100 % 250)"
            let (ours, theirs, link) = ("\(net).\(4 * index + 1)", "\(net).\(4 * index + 2)", "ag\(getpid() % 1_000_000)x\(index)")
            func ip(_ words: String) async throws {
                let ran = try await run("/usr/sbin/ip", words.split(separator: " ").map(String.init))
                guard ran.exited, ran.code == 0 else { throw Command.Failed(description: "ip \(words): \(ran.out)") }
            }
            func within(_ arguments: [String]) -> [String] { ["--net=/proc/\(pid)/ns/net"] + arguments }
            try await ip("link add \(link) type veth peer name eth0 netns \(pid)")
            try await ip("address add \(ours)/30 dev \(link)")
            try await ip("link set \(link) up")
            for words in ["address add \(theirs)/30 dev eth0", "link set eth0 up", "link set lo up"] {
                let ran = try await run("/usr/bin/nsenter", within(["/usr/sbin/ip"] + words.split(separator: " ").map(String.init)))
                guard ran.exited, ran.code == 0 else { throw Command.Failed(description: "ip \(words): \(ran.out)") }
            }
            mkdir("/run/sshd", 0o755)
            let made = try await run("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", "\(directory)/\(name).key"])
            guard made.code == 0 else { throw Command.Failed(description: made.out) }
            try Data(key.utf8).write(to: URL(filePath: "\(directory)/\(name).authorized"))
            try Data(
                """
                ListenAddress \(theirs)
                HostKey \(directory)/\(name).key
                AuthorizedKeysFile \(directory)/\(name).authorized
                UsePAM no
                StrictModes no
                PidFile none
                PasswordAuthentication no
                KbdInteractiveAuthentication no

                """.utf8
            ).write(to: URL(filePath: "\(directory)/\(name).config"))
            children.append(try await Child.start("nsenter", within(["/usr/sbin/sshd", "-D", "-e", "-f", "\(directory)/\(name).config"]), log: log))
            let hostKey = try String(contentsOfFile: "\(directory)/\(name).key.pub", encoding: .utf8)
            return RemoteMachine(
                name, engine, address: "ssh://root@\(theirs)\(engine.socket)", knownHost: "\(theirs) \(hostKey)", link: link, children: children)
        } catch {
            for child in children.reversed() { child.killWithForks() }
            await engine.stop()
            throw error
        }
    }

    /// unshare has made the network once its process has another than we have.
    private static func inNamespace(_ pid: Int32) async throws {
        let ours = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
        for _ in 0..<400 {
            if let theirs = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/ns/net"), theirs != ours { return }
            try await Task.sleep(for: .milliseconds(25))
        }
        throw Command.Failed(description: "unshare made no network within ten seconds")
    }

    private init(_ name: String, _ engine: TestEngine, address: String, knownHost: String, link: String, children: [Child]) {
        self.name = name
        self.engine = engine
        self.address = address
        self.knownHost = knownHost
        self.link = link
        self.children = children
    }

    /// Packets to and from it are lost from now on.
    public func cutOff() async throws { try await set("down") }
    /// They arrive again.
    public func mend() async throws { try await set("up") }

    private func set(_ state: String) async throws {
        let ran = try await run("/usr/sbin/ip", ["link", "set", link, state])
        guard ran.exited, ran.code == 0 else { throw Command.Failed(description: ran.out) }
    }

    /// Ends all of it but its containers, of which there should be none.
    public func stop() async {
        // Each of sshd's connections has a process group of its own, and one that is cut off would keep the network for minutes.
        if let sshd = children.last?.pid { for pid in descendants(of: sshd) { kill(pid, SIGKILL) } }
        for child in children.reversed() {
            child.killWithForks()
            await child.exit()
        }
        _ = try? await run("/usr/sbin/ip", ["link", "delete", link])
        await engine.stop()
    }
}

extension RemoteMachine {
    /// Several machines that one key opens, and their part of a daemon's configuration.
    public struct Park: Sendable {
        public let machines: [RemoteMachine]
        /// The folder with the key, as systemd's credentials are.
        public let credentials: String
        /// In the words of `known_hosts`.
        public let knownHosts: String

        /// - Parameter directory: for keys and logs.
        public static func start(_ names: [String], in directory: String) async throws -> Park {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            let made = try await run("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", "\(directory)/ssh-key"])
            guard made.code == 0 else { throw Command.Failed(description: made.out) }
            let key = try String(contentsOfFile: "\(directory)/ssh-key.pub", encoding: .utf8)
            var machines: [RemoteMachine] = []
            do {
                for (index, name) in names.enumerated() { machines.append(try await RemoteMachine.start(name, index: index, in: directory, key: key)) }
            } catch {
                for machine in machines { await machine.stop() }
                throw error
            }
            return Park(machines: machines, credentials: directory, knownHosts: machines.map(\.knownHost).joined())
        }

        /// Sections `[[host]]` of a daemon's configuration. Each has room for so much memory, and is lost after 30 s.
        public func settings(memory: String) -> String {
            machines.map { "[[host]]\nname = \"\($0.name)\"\nengine = \"\($0.address)\"\nmemory = \"\(memory)\"\nlost_after = \"30s\"\n\n" }.joined()
        }

        public func stop() async { for machine in machines { await machine.stop() } }
    }
}
