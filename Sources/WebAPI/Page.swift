import ControlModel
import Coordinator
import Fleet
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import StatusPage

/// The page for people.
extension WebAPI {
    /// The form that signs in, and what pages are made of: they say nothing that isn't in them for everybody.
    func openPages(_ router: RouterGroup<APIContext>) {
        for (path, type, text) in [
            ("/assets/autogit.css", "text/css", StatusPage.style), ("/assets/autogit.js", "text/javascript", StatusPage.script),
            ("/assets/autogit.svg", "image/svg+xml", StatusPage.icon),
        ] {
            let body = ByteBuffer(string: text)
            router.get(RouterPath(path)) { _, _ in
                Response(
                    status: .ok,
                    headers: [.contentType: "\(type); charset=utf-8", .cacheControl: "public, max-age=31536000, immutable", .xContentTypeOptions: "nosniff"],
                    body: .init(byteBuffer: body))
            }
        }
        let (access, sessions, limited) = (access, sessions, limited)
        router.get("/ui/sign-in") { _, _ in Self.page(StatusPage.signIn(message: nil, isAvailable: access.controlToken != nil)) }
        router.post("/ui/sign-in") { request, _ in
            let form = try await Self.form(request)
            guard let token = access.controlToken, let given = form["token"], token.matches(given) else {
                limited.warning(.refusedSignIn, "Refused to sign somebody in to the page: the token is wrong")
                return Self.page(StatusPage.signIn(message: "The token is wrong.", isAvailable: access.controlToken != nil), status: .forbidden)
            }
            var answer = Response.redirect(to: "/", type: .normal)
            // Not `secure`: at home the page is at http.
            answer.setCookie(
                Cookie(
                    name: Sessions.cookie, value: sessions.open(), maxAge: Int(Sessions.length.inSeconds), path: "/", httpOnly: true, sameSite: .strict))
            return answer
        }
    }

    /// What those may see who may read.
    func pages(_ router: RouterGroup<APIContext>) {
        let (coordinator, sessions, overview) = (coordinator, sessions, SharedWork<String>())
        router.get("/") { request, _ in
            guard Self.wantsPage(request) else {
                return try JSON.answer([
                    "service": "autogit", "see": "/health /status /runners /jobs /pools /hosts /gpus /logs /history /events /metrics /openapi.json",
                ])
            }
            guard sessions.session(of: request) == nil else { return Self.page(StatusPage.overview(try await self.content(request))) }
            // The same for all who are not signed in, each of whom reads it again when something happens.
            return Self.page(try await overview.value { StatusPage.overview(try await self.content(request)) })
        }
        router.get("/ui/runners/{id}") { request, context in
            let id = try context.parameters.require("id")
            guard let runner = try await coordinator.runnerView(id) else { throw ProblemError.notFound("There is no runner \(id).") }
            var job: JobView?
            if let number = runner.current_job { job = try await coordinator.jobView(number) }
            var lines: [String]?
            // A job may print what others must not read.
            if sessions.session(of: request) != nil { lines = try? await Self.lines(coordinator.log(of: id, lines: 1000, follow: false)) }
            return Self.page(StatusPage.runner(runner, job: job, log: lines, frame: self.frame(request)))
        }
        router.get("/ui/jobs/{id}") { request, context in
            let id = try context.parameters.require("id")
            guard let number = Int64(id), let job = try await coordinator.jobView(number) else { throw ProblemError.notFound("There is no job \(id).") }
            return Self.page(StatusPage.job(job, gitlab: self.operations.gitlab, frame: self.frame(request)))
        }
    }

    /// Orders from the page. A session and its form's field are wanted for each.
    func orderingPages(_ router: RouterGroup<APIContext>) {
        let (coordinator, sessions) = (coordinator, sessions)
        func post(_ path: String, _ body: @escaping @Sendable (Request, APIContext) async throws -> Void) {
            router.post(RouterPath(path)) { request, context in
                guard let session = sessions.session(of: request) else { throw ProblemError(.forbidden, "Sign in first.") }
                let form = try await Self.form(request)
                guard let csrf = form["csrf"], Secret(session.csrf).matches(csrf) else {
                    throw ProblemError(.forbidden, "The form is of an earlier session. Go back, load the page again, and try once more.")
                }
                try await refusing { try await body(request, context) }
                return Response.redirect(to: "/", type: .normal)
            }
        }
        post("/ui/sign-out") { request, _ in sessions.close(of: request) }
        for (verb, paused) in [("pause", true), ("resume", false)] {
            post("/ui/pools/{name}/\(verb)") { _, context in try await coordinator.setPaused(pool: try context.parameters.require("name"), paused) }
        }
        post("/ui/pools/{name}/spawn") { _, context in _ = try await coordinator.spawn(pool: try context.parameters.require("name")) }
        post("/ui/runners/{id}/drain") { _, context in _ = try await coordinator.dismiss(try context.parameters.require("id"), force: false) }
    }

    // MARK: Content

    private func frame(_ request: Request) -> PageFrame {
        let session: Session =
            access.controlToken == nil ? .unavailable : sessions.session(of: request).map { .signedIn(csrf: $0.csrf) } ?? .signedOut
        return PageFrame(now: Date().timeIntervalSince1970, health: coordinator.healthView(), session: session)
    }

    private func content(_ request: Request) async throws -> PageContent {
        let frame = frame(request)
        let history = try await coordinator.historyView()
        var lastLines: [String: [String]] = [:]
        // As its log: not for everybody.
        if case .signedIn = frame.session {
            for failure in history.failures {
                lastLines[failure.runner] = try? await Self.lines(coordinator.log(of: failure.runner, lines: 5, follow: false))
            }
        }
        return PageContent(
            frame: frame, status: try await coordinator.statusView(), pools: await coordinator.poolViews(), runners: await coordinator.runnerViews(),
            jobs: try await coordinator.jobViews(ended: 20), history: history, lastLines: lastLines)
    }

    private static func lines(_ log: AsyncThrowingStream<[UInt8], any Error>) async throws -> [String] {
        var bytes: [UInt8] = []
        for try await chunk in log { bytes += chunk }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    // MARK: Requests and answers

    /// Browsers name HTML; curl and scripts don't.
    static func wantsPage(_ request: Request) -> Bool { request.headers[.accept]?.lowercased().contains("text/html") == true }

    static func page(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
        var headers: HTTPFields = [.contentType: "text/html; charset=utf-8"]
        for header in StatusPage.securityHeaders { if let name = HTTPField.Name(header.name) { headers[name] = header.value } }
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    /// The fields of a form that was sent from one of our pages.
    private static func form(_ request: Request) async throws -> [String: String] {
        // Browsers name the page's origin with a POST; another site's is refused whatever else it knows.
        if let origin = request.headers[.origin], let host = request.head.authority, origin != "http://\(host)", origin != "https://\(host)" {
            throw ProblemError(.forbidden, "This form was sent from another site.")
        }
        var request = request
        let body = try await request.collectBody(upTo: 16 << 10)
        return (try? URLEncodedFormDecoder().decode([String: String].self, from: String(buffer: body))) ?? [:]
    }
}

/// Answers errors as pages, and sends who has to sign in there.
struct PageProblems<Context: RequestContext>: RouterMiddleware {
    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws -> Response {
        do {
            let answer = try await next(request, context)
            guard answer.status == .unauthorized, WebAPI.wantsPage(request) else { return answer }
            return .redirect(to: "/ui/sign-in", type: .normal)
        } catch let problem as ProblemError where WebAPI.wantsPage(request) {
            return WebAPI.page(
                StatusPage.problem(status: problem.status.code, title: problem.status.reasonPhrase, detail: problem.detail), status: problem.status)
        }
    }
}
