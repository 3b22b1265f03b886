import Hummingbird
import Logging
import ServiceLifecycle

/// A GitLab for what can't have a real one: tests, the demo and the benchmarks. Serves on loopback.
public final class FakeGitLabServer: Sendable {
    /// Its state, and what can be done to it.
    public let instance: Instance
    /// Where it listens, on loopback, without a trailing slash.
    public let url: String
    /// The certificate of the authority that clients have to trust, PEM; nil without TLS.
    public let caFile: String?
    private let front: TLSFront?
    private let group: ServiceGroup
    private let running: Task<Void, any Error>

    private init(instance: Instance, url: String, caFile: String?, front: TLSFront?, group: ServiceGroup, running: Task<Void, any Error>) {
        self.instance = instance
        self.url = url
        self.caFile = caFile
        self.front = front
        self.group = group
        self.running = running
    }

    /// - Parameters:
    ///   - address: to listen on; `0.0.0.0` for containers to reach it. The daemon goes by 127.0.0.1 all the same.
    ///   - port: 0 takes any free one.
    ///   - directory: for the repositories.
    ///   - seed: of secrets, ids of events and chances.
    ///   - tls: serves https with this certificate, and http no more; nil: http only.
    ///   - root: the path below which it is, such as `/gitlab`, as with a relative URL root; above it a proxy answers, which knows of no GitLab.
    /// - Throws: what the port or the certificate's files have against it.
    public static func start(
        address: String = "127.0.0.1", port: Int = 0, directory: String, seed: UInt64 = 1, tls: ServerTLS? = nil, root: String = ""
    ) async throws -> FakeGitLabServer {
        let instance = Instance(directory: directory, seed: seed)
        var quiet = Logger(label: "gitlab-fake GitLab")
        quiet.logLevel = .critical
        let (ports, announce) = AsyncStream.makeStream(of: Int.self)
        let server = Application(
            router: Routes(instance: instance, root: root).router(),
            configuration: .init(
                address: tls == nil ? .hostname(address, port: port) : .hostname("127.0.0.1", port: 0), serverName: "GitLab", backlog: 1024),
            onServerRunning: { channel in announce.yield(channel.localAddress?.port ?? 0) }, logger: quiet)
        let group = ServiceGroup(configuration: .init(services: [server], logger: quiet))
        let running = Task {
            defer { announce.finish() }
            try await group.run()
        }
        let wanted = port
        for await port in ports {
            var front: TLSFront?
            do {
                if let tls { front = try await TLSFront.start(tls, address: address, port: wanted, before: port, in: directory) }
            } catch {
                running.cancel()
                throw error
            }
            let url = front.map { "https://127.0.0.1:\($0.port)" } ?? "http://127.0.0.1:\(port)"
            await instance.setURL(url + root)
            return FakeGitLabServer(instance: instance, url: url + root, caFile: tls?.caFile, front: front, group: group, running: running)
        }
        try await running.value
        throw CancellationError()
    }

    /// Returns when it listens no more; done twice, it is no error.
    public func stop() async {
        await front?.stop()
        await group.triggerGracefulShutdown()
        running.cancel()
        _ = await running.result
    }
}

extension Instance {
    /// How clients reach it: a part of what runners and hooks are told.
    public func setURL(_ url: String) { self.url = url }
}
