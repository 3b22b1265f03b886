import HTTPTypes
import Hummingbird

/// Answers by the routes. A path that exists says which methods it has to those who call it by another (RFC 9110, section 15.5.6), whoever they are.
struct APIResponder: HTTPResponder {
    private let routes: RouterResponder<APIContext>
    /// Has all paths, and answers GET with the methods that they have.
    private let methods: RouterResponder<APIContext>

    init(_ router: Router<APIContext>) {
        routes = router.buildResponder()
        let paths = Router(context: APIContext.self)
        for routes in Dictionary(grouping: router.routes, by: \.path.description).values {
            guard let path = routes.first?.path else { continue }
            let allowed = routes.map(\.method.rawValue).sorted().joined(separator: ", ")
            paths.get(path) { _, _ in Response(status: .noContent, headers: [.allow: allowed]) }
        }
        methods = paths.buildResponder()
    }

    func respond(to request: Request, context: APIContext) async throws -> Response {
        let answer = try await routes.respond(to: request, context: context)
        guard answer.status == .notFound else { return answer }
        var question = request.head
        question.method = .get
        let known = try? await methods.respond(to: Request(head: question, body: .init(buffer: ByteBuffer())), context: context)
        guard let allowed = known?.headers[.allow], !allowed.split(separator: ", ").contains(Substring(request.method.rawValue)) else { return answer }
        var refusal = try JSON.problem(.methodNotAllowed, "\(request.uri.path) takes \(allowed) only")
        refusal.headers[.allow] = allowed
        return refusal
    }
}
