import ControlModel
import Coordinator
import Fleet
import FoundationEssentials
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import Telemetry

/// The HTTP API: the public side on TCP, and the control side, which may also write, on a Unix socket.
public struct WebAPI: Sendable {
    /// The secrets that callers prove to know.
    public struct Access: Sendable {
        /// The expected `X-Gitlab-Token`; nil when no secret is configured, and then webhooks are refused.
        public var webhookSecret: Secret?
        /// The bearer token for writing calls on TCP; nil allows none there.
        public var controlToken: Secret?
        /// Whether reading on TCP needs the control token, too; health and webhooks don't.
        public var readingNeedsToken: Bool
        /// The bearer token for the metrics; nil when they are as open as all else.
        public var metricsToken: Secret?
        /// Without a control token, only the control socket takes writing calls.
        public init(webhookSecret: Secret?, controlToken: Secret? = nil, readingNeedsToken: Bool = false, metricsToken: Secret? = nil) {
            self.webhookSecret = webhookSecret
            self.controlToken = controlToken
            self.readingNeedsToken = readingNeedsToken
            self.metricsToken = metricsToken
        }
    }

    /// The largest webhook body, in bytes.
    static let maxWebhook = 1 << 20

    /// Operations that are the daemon's, not the coordinator's.
    public struct Operations: Sendable {
        /// Reads the configuration again. Throws an error with a description for operators when it is invalid; then nothing changed.
        public var reload: @Sendable () async throws -> ReloadView
        /// The address at which GitLab most likely reaches the webhook, for hooks that are installed without one. Throws an error with a
        /// description for operators.
        public var webhookURL: @Sendable () async throws -> String
        /// GitLab's address, for links to jobs; nil for none.
        public var gitlab: String?
        /// Sends a test to one target of notifications, or to all, and says how that went. nil when there is no target of that name.
        public var testNotifications: @Sendable (String?) async -> [NotifyTestView]?
        /// All calls are made concurrently.
        public init(
            reload: @escaping @Sendable () async throws -> ReloadView, webhookURL: @escaping @Sendable () async throws -> String, gitlab: String? = nil,
            testNotifications: @escaping @Sendable (String?) async -> [NotifyTestView]? = { $0 == nil ? [] : nil }
        ) {
            self.testNotifications = testNotifications
            self.gitlab = gitlab
            self.reload = reload
            self.webhookURL = webhookURL
        }
    }

    let coordinator: Coordinator
    let access: Access
    let operations: Operations
    let feed: EventFeed
    let metrics: FleetMetrics
    let log: Logger
    /// For what anybody who reaches the port can cause.
    let limited: LimitedLog
    let sessions = Sessions()

    /// Serves nothing until a `server` runs.
    /// - Parameters:
    ///   - feed: for `/events`; it and `metrics` are told of the coordinator's events by whoever makes both.
    ///   - metrics: for `/metrics`.
    public init(coordinator: Coordinator, access: Access, operations: Operations, feed: EventFeed, metrics: FleetMetrics, log: Logger) {
        self.feed = feed
        self.metrics = metrics
        self.coordinator = coordinator
        self.access = access
        self.operations = operations
        self.log = log
        limited = LimitedLog(log)
    }

    /// A server for one address; its `run()` returns after a graceful shutdown has answered the requests in flight.
    /// - Parameters:
    ///   - trusted: whether everybody who can connect may write.
    ///   - onRunning: called once the socket accepts connections.
    public func server(
        at address: ListeningAddress, trusted: Bool, onRunning: @escaping @Sendable () async -> Void = {}
    ) -> some Service {
        let streams = OpenStreams()
        let responder = APIResponder(router(trusted: trusted, streams: streams))
        let log = log
        return Listener(
            address: address,
            respond: { request, channel in
                try await responder.respond(to: request, context: APIContext(source: .init(channel: channel, logger: log)))
            },
            log: log, onRunning: onRunning, streams: streams)
    }

    /// A server that answers every request with 503 and a reason, for a daemon that is not configured yet.
    public static func unavailable(_ why: String, on address: ListeningAddress, log: Logger) -> some Service {
        Listener(
            address: address,
            respond: { _, _ in
                var answer = try JSON.problem(.serviceUnavailable, why)
                answer.headers[.retryAfter] = "60"
                return answer
            }, log: log, onRunning: {})
    }

    /// All routes, each of which is described in `Operation.all`.
    func router(trusted: Bool, streams: OpenStreams) -> Router<APIContext> {
        let router = Router(context: APIContext.self)
        router.add(middleware: ProblemMiddleware(log: limited))
        health(router)
        webhook(router)
        let onPages = router.group().add(middleware: PageProblems())
        openPages(onPages)
        orderingPages(onPages)
        let isOpen = trusted || !access.readingNeedsToken
        let readers = onPages.group().add(middleware: TokenGuard(tokens: isOpen ? nil : [access.controlToken], sessions: sessions, of: .reading))
        pages(readers)
        reading(readers)
        document(readers, trusted: trusted)
        events(readers, streams)
        let scrapers = access.metricsToken == nil || trusted ? readers : router.group().add(middleware: TokenGuard(tokens: [access.metricsToken], of: .metrics))
        metrics(scrapers)
        let writers = router.group().add(middleware: TokenGuard(tokens: trusted ? nil : [access.controlToken], of: .writing))
        writing(writers)
        runnerLog(writers, streams)
        return router
    }

    private func health(_ router: Router<APIContext>) {
        let coordinator = coordinator
        router.get("/health") { _, _ in
            let health = coordinator.healthView()
            return try JSON.answer(health, status: health.status == "healthy" ? .ok : .serviceUnavailable)
        }
    }

    private func reading(_ router: RouterGroup<APIContext>) {
        let coordinator = coordinator
        router.get("/status") { _, _ in try JSON.answer(try await coordinator.statusView()) }
        router.get("/runners") { _, _ in try JSON.answer(await coordinator.runnerViews()) }
        router.get("/runners/{id}") { _, context in
            let id = try context.parameters.require("id")
            guard let runner = try await coordinator.runnerView(id) else { throw ProblemError.notFound("there is no runner \(id)") }
            return try JSON.answer(runner)
        }
        router.get("/jobs") { _, _ in try JSON.answer(try await coordinator.jobViews()) }
        router.get("/jobs/{id}") { _, context in
            let id = try context.parameters.require("id")
            guard let number = Int64(id), let job = try await coordinator.jobView(number) else {
                throw ProblemError.notFound("there is no job \(id)")
            }
            return try JSON.answer(job)
        }
        router.get("/pools") { _, _ in try JSON.answer(await coordinator.poolViews()) }
        router.get("/hosts") { _, _ in try JSON.answer(await coordinator.hostViews()) }
        router.get("/gpus") { _, _ in try JSON.answer(await coordinator.gpuViews()) }
        router.get("/history") { _, _ in try JSON.answer(try await coordinator.historyView()) }
        router.get("/usage") { request, _ in
            let query = request.uri.queryParameters
            let days = try query.number("days", in: APIBounds.days, or: 30)
            guard let by = UsageView.Dimension(rawValue: query["by"].map(String.init) ?? "pool") else {
                throw ProblemError(.badRequest, "by must be pool, project or tag")
            }
            return try JSON.answer(try await coordinator.usageView(days: days, by: by))
        }
        router.get("/logs") { _, _ in try JSON.answer(try await coordinator.keptLogViews()) }
    }

    private func webhook(_ router: Router<APIContext>) {
        let (coordinator, access, limited, metrics) = (coordinator, access, limited, metrics)
        let atOnce = Limit.webhooks()
        router.post("/webhook/job") { request, _ -> Response in
            guard let secret = access.webhookSecret, let token = request.headers[.gitlabToken], secret.matches(token)
            else {
                metrics.count(.refused)
                limited.warning(.refusedWebhook, "Refused a webhook: the X-Gitlab-Token is missing or wrong")
                throw ProblemError(.unauthorized, "the X-Gitlab-Token header is missing or wrong")
            }
            // Each holds up to 1 MiB. GitLab sends a few at a time and retries those that are refused; more than these are not from
            // GitLab.
            defer { atOnce.leave() }
            guard atOnce.enter() else {
                metrics.count(.busy)
                var answer = try JSON.problem(.serviceUnavailable, "too many concurrent webhooks; retry")
                answer.headers[.retryAfter] = "1"
                return answer
            }
            var request = request
            let body: ByteBuffer
            do {
                body = try await request.collectBody(upTo: Self.maxWebhook)
            } catch {
                metrics.count(.malformed)
                throw ProblemError(.contentTooLarge, "the body exceeds 1 MiB")
            }
            if let event = request.headers[.gitlabEvent], event != "Job Hook" {
                metrics.count(.ignored)
                limited.notice(.ignoredWebhook, "Ignored an authentic webhook: X-Gitlab-Event is not Job Hook")
                return try JSON.answer(["status": "ignored"], status: .accepted)
            }
            let bytes = body.getBytes(at: body.readerIndex, length: body.readableBytes) ?? []
            do {
                try await coordinator.receive(webhook: bytes)
            } catch let error as MalformedEvent {
                metrics.count(.malformed)
                throw ProblemError(.badRequest, "\(error)")
            } catch {
                metrics.count(.failed)
                throw error
            }
            metrics.count(.accepted)
            return try JSON.answer(["status": "accepted"], status: .accepted)
        }
    }

    private func writing(_ group: RouterGroup<APIContext>) {
        let (coordinator, access, operations) = (coordinator, access, operations)
        group.post("/runners") { request, _ in
            var request = request
            let body = try await request.collectBody(upTo: 64 << 10)
            guard let order = try? JSONDecoder().decode(SpawnRequest.self, from: Data(buffer: body)) else {
                throw ProblemError(.badRequest, #"the body must be {"pool": "NAME"}"#)
            }
            return try JSON.answer(try await refusing { try await coordinator.spawn(pool: order.pool) }, status: .accepted)
        }
        group.delete("/runners/{id}") { request, context in
            let id = try context.parameters.require("id")
            let query = request.uri.queryParameters
            let force = try query["force"] == "1" || query.flag("force", or: false)
            return try JSON.answer(try await refusing { try await coordinator.dismiss(id, force: force) }, status: .accepted)
        }
        group.post("/evacuate") { request, _ in
            let seconds = try request.uri.queryParameters.number("timeout", in: APIBounds.evacuation, or: 60)
            return try JSON.answer(await coordinator.evacuate(within: .seconds(seconds)))
        }
        group.post("/reconcile") { request, _ in
            let dryRun = try request.uri.queryParameters.flag("dry_run", or: false)
            do { return try JSON.answer(try await coordinator.reconcile(dryRun: dryRun)) } catch { throw ProblemError(.badGateway, "\(error)") }
        }
        group.post("/reload") { _, _ in
            do { return try JSON.answer(try await operations.reload()) } catch { throw ProblemError(.unprocessableContent, "\(error)") }
        }
        group.post("/hooks") { request, _ in
            var request = request
            let body = try await request.collectBody(upTo: 64 << 10)
            guard let order = try? JSONDecoder().decode(HookRequest.self, from: Data(buffer: body)) else {
                throw ProblemError(.badRequest, #"the body must be {"project": "PATH or ID", "url": "http://HOST:8080/webhook/job"}"#)
            }
            guard let secret = access.webhookSecret else {
                throw ProblemError(.conflict, "no webhook secret is configured: set webhook_secret_file or the credential webhook-secret, and restart")
            }
            let url: String
            do { url = if let named = order.url { named } else { try await operations.webhookURL() } } catch { throw ProblemError(.conflict, "\(error)") }
            let hook = try await refusing { try await coordinator.installHook(project: order.project, url: url, secret: secret) }
            return try JSON.answer(
                HookView(project: order.project, id: hook.id, url: url, result: hook.isNew ? "installed" : hook.wasOff ? "revived" : "updated"))
        }
        group.post("/notify/test") { request, _ in
            var request = request
            let body = try await request.collectBody(upTo: 64 << 10)
            guard
                let order = body.readableBytes == 0 ? NotifyTestRequest(name: nil) : try? JSONDecoder().decode(NotifyTestRequest.self, from: Data(buffer: body))
            else { throw ProblemError(.badRequest, #"the body must be {"name": "TARGET"}, or empty for all"#) }
            guard let views = await operations.testNotifications(order.name) else {
                throw ProblemError(.notFound, "there is no [[notify]] named \(order.name ?? "")")
            }
            guard !views.isEmpty else { throw ProblemError(.conflict, "no [[notify]] is configured, see man autogit.toml") }
            return try JSON.answer(views)
        }
        // Reading, but the engine looks through all of its volumes for it: not for anybody who reaches the port.
        group.get("/caches") { _, _ in
            do { return try JSON.answer(try await coordinator.cacheViews()) } catch { throw ProblemError(.badGateway, "\(error)") }
        }
        group.delete("/caches/{pool}") { _, context in
            let pool = try context.parameters.require("pool")
            do {
                return try JSON.answer(try await refusing { try await coordinator.clearCache(pool: pool) })
            } catch let error as any DriverFailure {
                throw ProblemError(.badGateway, "\(error)")
            }
        }
        for (verb, paused) in [("pause", true), ("resume", false)] {
            group.post("/pools/{name}/\(verb)") { _, context in
                let name = try context.parameters.require("name")
                try await refusing { try await coordinator.setPaused(pool: name, paused) }
                return try JSON.answer(PauseView(name: name, paused: paused))
            }
        }
        for (verb, drained) in [("drain", true), ("resume", false)] {
            group.post("/hosts/{name}/\(verb)") { _, context in
                let name = try context.parameters.require("name")
                try await refusing { try await coordinator.setDrained(host: name, drained) }
                return try JSON.answer(DrainView(name: name, drained: drained))
            }
        }
    }
}

/// Turns the coordinator's refusals into problem documents.
func refusing<T>(_ body: () async throws -> T) async throws -> T {
    do {
        return try await body()
    } catch let refusal as Refusal {
        throw ProblemError(refusal.kind == .notFound ? .notFound : .conflict, refusal.message)
    }
}
