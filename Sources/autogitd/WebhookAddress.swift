import Settings
import Systemd

/// Where webhooks and the public API arrive: the socket that systemd passed, and only without one the address of the configuration.
struct WebhookAddress: Sendable, Equatable {
    /// The unit that has the socket.
    static let unit = "autogit.socket"

    var listening: SocketAddress
    var isFromSystemd: Bool
    /// The configuration's own word on how GitLab reaches the webhook.
    var told: String?
    /// A warning about an address in the configuration that has no effect.
    var warning: String?

    /// Of a unit alone, before there is a configuration.
    init(listening: SocketAddress) {
        self.listening = listening
        isFromSystemd = true
    }

    /// - Parameter inherited: where the socket from systemd listens; nil where there is none.
    init(_ settings: Settings, inherited: SocketAddress?) {
        let configured = SocketAddress(host: settings.httpHost, port: settings.httpPort)
        listening = inherited ?? configured
        isFromSystemd = inherited != nil
        told = settings.gitlab.webhookURL
        let isSame = listening.port == configured.port && (listening.host == configured.host || listening.isEverywhere && configured.isEverywhere)
        guard settings.namesHTTP, !isSame else { return }
        let value = configured.isEverywhere ? "\(configured.port)" : "\(configured)"
        warning =
            "http = \"\(configured)\" in [listen] has no effect, because systemd passes the socket of \(Self.unit), which listens on \(listening). "
            + "To change that: systemctl edit \(Self.unit), with the lines [Socket], ListenStream= and ListenStream=\(value); then: "
            + "systemctl restart \(Self.unit)"
    }

    /// As the installed unit has it, for `--check`, to which systemd passes no socket.
    static func ofUnit(_ settings: Settings) async -> WebhookAddress { WebhookAddress(settings, inherited: await socketOfUnit()) }

    /// - Returns: nil where the unit isn't installed, or systemd doesn't answer.
    static func socketOfUnit() async -> SocketAddress? {
        let manager = UnitManager(address: "unix:path=/run/dbus/system_bus_socket")
        let streams = (try? await manager.listeningStreams(of: unit)) ?? []
        return streams.lazy.compactMap { SocketAddress($0) }.first
    }

    /// For the log.
    var words: String { isFromSystemd ? "\(listening), the socket of \(Self.unit)" : "\(listening)" }

    /// The webhook's address for a GitLab: the one that was told, or else the one that it most likely reaches.
    /// - Throws: `LocalAddress.Unknown`, `ThreadError`
    func url(forGitLabAt gitlab: String) async throws -> String {
        if let told { return told }
        return try url(route: try await LocalAddress.towards(gitlab))
    }

    /// The webhook's address as GitLab most likely reaches it.
    /// - Parameter route: the address of this host on the way to GitLab, in brackets if it is IPv6.
    /// - Throws: `LocalAddress.Unknown` when GitLab can't reach it.
    func url(route: String) throws -> String {
        if listening.isEverywhere { return "http://\(route):\(listening.port)/webhook/job" }
        let isHere = SocketAddress(host: route.filter { $0 != "[" && $0 != "]" }, port: listening.port).isLoopback
        guard !listening.isLoopback || isHere else {
            throw LocalAddress.Unknown(
                description: "webhooks are taken on \(listening) only, and GitLab is on another host: give the address of what passes them on with --url, "
                    + "or change ListenStream= with systemctl edit \(Self.unit)")
        }
        return "http://\(listening)/webhook/job"
    }

    /// The status page's address, as others most likely reach it; nil where only this host does, as far as one can tell.
    func page(route: String) -> String? {
        let isHere =
            listening.isEverywhere ? SocketAddress(host: route.filter { $0 != "[" && $0 != "]" }, port: listening.port).isLoopback : listening.isLoopback
        return isHere ? nil : (try? url(route: route)).map { String($0.dropLast("webhook/job".count)) }
    }
}
