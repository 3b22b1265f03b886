import Hummingbird
import Logging
import ServiceLifecycle

/// A GitLab for what can't have a real one: tests, the demo and the benchmarks. Serves on loopback.
public final class GitLabSimulator: Sendable {
    /// Its state, and what can be done to it.
    public let instance: Instance
    /// Where it listens, on loopback, without a trailing slash.
    public let url: String
    private let group: ServiceGroup
    private let running: Task<Void, any Error>

    private init(instance: Instance, url: String, group: ServiceGroup, running: Task<Void, any Error>) {
        self.instance = instance
        self.url = url
        self.group = group
        self.running = running
    }

    /// - Parameters:
    ///   - address: to listen on; `0.0.0.0` for containers to reach it. The daemon goes by 127.0.0.1 all the same.
    ///   - port: 0 takes any free one.
    ///   - directory: for the repositories.
    public static func start(address: String = "127.0.0.1", port: Int = 0, directory: String, seed: UInt64 = 1) async throws -> GitLabSimulator {
        let instance = Instance(directory: directory, seed: seed)
        var quiet = Logger(label: "gitlab-simulator")
        quiet.logLevel = .critical
        let (ports, announce) = AsyncStream.makeStream(of: Int.self)
        let server = Application(
            router: Routes(instance: instance).router(), configuration: .init(address: .hostname(address, port: port), serverName: "GitLab", backlog: 1024),
            onServerRunning: { channel in announce.yield(channel.localAddress?.port ?? 0) }, logger: quiet)
        let group = ServiceGroup(configuration: .init(services: [server], logger: quiet))
        let running = Task {
            defer { announce.finish() }
            try await group.run()
        }
        for await port in ports {
            let url = "http://127.0.0.1:\(port)"
            await instance.setURL(url)
            return GitLabSimulator(instance: instance, url: url, group: group, running: running)
        }
        try await running.value
        throw CancellationError()
    }

    /// Returns when it listens no more; done twice, it is no error.
    public func stop() async {
        await group.triggerGracefulShutdown()
        running.cancel()
        _ = await running.result
    }
}

extension Instance {
    /// How clients reach it: a part of what runners and hooks are told.
    public func setURL(_ url: String) { self.url = url }
}
