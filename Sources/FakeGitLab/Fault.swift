import HTTPTypes
import Hummingbird

/// What an API call gets in place of its answer.
public enum Fault: Sendable {
    /// GitLab's own error of this status, with seconds to wait.
    case status(Int, retryAfter: Int? = nil)
    /// The call takes effect, and its answer is lost.
    case dropAnswer
    /// The call is carried out after this time.
    case delay(Duration)
    /// Somebody else answers: the call doesn't reach GitLab.
    /// - Parameters:
    ///   - status: of the answer.
    ///   - type: its content type; empty for none.
    ///   - body: as it is.
    ///   - location: where a redirect points.
    case answer(status: Int, type: String, body: String, location: String? = nil)
    /// A proxy's error page that repeats the request's headers, the token's among them.
    case echo(status: Int)

    /// A reverse proxy that has no route to GitLab.
    public static let noRoute = Fault.answer(status: 404, type: "text/plain; charset=utf-8", body: "404 page not found\n")
    /// The same as HTML.
    public static let noRoutePage = Fault.answer(
        status: 404, type: "text/html", body: "<html><head><title>404 Not Found</title></head><body><center><h1>404 Not Found</h1></center></body></html>")
    /// An API gateway's 404, which is JSON, yet not GitLab's.
    public static let noRouteJSON = Fault.answer(status: 404, type: "application/json", body: #"{"message":"no Route matched with those values"}"#)
    /// A login portal that answers in GitLab's place.
    public static let loginPage = Fault.answer(
        status: 200, type: "text/html; charset=utf-8", body: "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>")
    /// A reverse proxy whose GitLab doesn't answer.
    public static let badGateway = Fault.answer(
        status: 502, type: "text/html", body: "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>")
    /// An answer that stops in the middle.
    public static let cutShort = Fault.answer(status: 200, type: "application/json", body: #"{"id":1,"token":"glrt-cutShortInTheMid"#)

    /// A login portal or another scheme: 301 or 302.
    public static func redirect(_ status: Int = 302, to location: String) -> Fault {
        .answer(status: status, type: "text/html", body: "<html><body>You are being <a href=\"\(location)\">redirected</a>.</body></html>", location: location)
    }
}

/// What is odd about a job in lists and answers.
public enum Oddity: Sendable, CaseIterable {
    /// It is null.
    case null
    /// It is a text.
    case text
    /// It has no id.
    case withoutID
    /// Its status is null.
    case withoutStatus
    /// Its pipeline is null, and with it its project; REST doesn't need it.
    case withoutPipeline
    /// Its tags are null; everything else is there.
    case withoutTags
    /// Fields of little use have odd types.
    case oddTypes

    func applied(to job: JSON) -> JSON {
        guard case .object(var fields) = job else { return job }
        switch self {
        case .null: return .null
        case .text: return "a job"
        case .withoutID: fields["id"] = .null
        case .withoutStatus: fields["status"] = .null
        case .withoutPipeline: fields["pipeline"] = .null
        case .withoutTags:
            fields["tags"] = nil
            fields["tag_list"] = nil
        case .oddTypes:
            for name in ["name", "stage", "ref", "refName", "runner", "created_at", "createdAt", "failure_reason"] where fields[name] != nil {
                fields[name] = [7]
            }
        }
        return .object(fields)
    }
}

/// All that stands between the instance and those who ask it.
struct Disturbances {
    private var faults: [(method: String?, path: String, fault: Fault, left: Int)] = []
    var oddities: [Int64: Oddity] = [:]
    var graphQLErrors: [String] = []
    var projectsWithoutCI: Set<Int64> = []
    var hooksLikeGitLab15 = false

    mutating func add(_ fault: Fault, method: String?, path: String, times: Int) { faults.append((method, path, fault, times)) }
    mutating func healFaults() { faults = [] }

    mutating func fault(for method: String, _ path: String) -> Fault? {
        guard let index = faults.firstIndex(where: { $0.method ?? method == method && path.hasPrefix($0.path) }) else { return nil }
        defer {
            faults[index].left -= 1
            if faults[index].left <= 0 { faults.remove(at: index) }
        }
        return faults[index].fault
    }
}

extension Instance {
    /// The next `times` calls whose path starts so meet the fault.
    /// - Parameters:
    ///   - method: nil for any.
    ///   - path: `/` for all of GitLab.
    public func inject(_ fault: Fault, method: String? = nil, path: String = "/", times: Int = 1) {
        disturbances.add(fault, method: method, path: path, times: times)
    }

    /// No call meets a fault from now on.
    public func healFaults() { disturbances.healFaults() }

    /// From now on the job looks odd in lists and answers; nil makes it whole.
    public func setOddity(_ oddity: Oddity?, ofJob id: Int64) { disturbances.oddities[id] = oddity }

    /// These errors come together with the data of the instance query; none to heal it.
    public func setGraphQLErrors(_ messages: [String]) { disturbances.graphQLErrors = messages }

    /// CI/CD switched off answers 403 to the project's jobs.
    public func setCI(enabled: Bool, project id: Int64) {
        if enabled { disturbances.projectsWithoutCI.remove(id) } else { disturbances.projectsWithoutCI.insert(id) }
    }

    /// Hooks without a `project` object and without ISO times, as old versions send them.
    public func setHooksLikeGitLab15(_ old: Bool) { disturbances.hooksLikeGitLab15 = old }

    func fault(for method: String, _ path: String) -> Fault? {
        requests["\(method) \(path)", default: 0] += 1
        defer { changed() }
        return disturbances.fault(for: method, path)
    }

    /// The event that a hook would get for the job as it is now; nil without such a job.
    public func hookPayload(ofJob id: Int64) -> JSON? { jobs[id].map(hookPayload) }

    func bent(_ job: JSON, id: Int64) -> JSON { disturbances.oddities[id]?.applied(to: job) ?? job }
}

extension Fault {
    /// The answer to a request that goes no further.
    func answer(to request: Request) -> Response? {
        switch self {
        case .status(let code, let retryAfter):
            return respond(code, ["message": .string("\(code) \(Self.names[code] ?? "Error")")], headers: retryAfter.map { [("Retry-After", "\($0)")] } ?? [])
        case .answer(let status, let type, let body, let location):
            var headers = HTTPFields()
            if !type.isEmpty { headers[.contentType] = type }
            if let location { headers[.location] = location }
            return Response(status: .init(code: status), headers: headers, body: .init(byteBuffer: ByteBuffer(string: body)))
        case .echo(let status):
            let lines = request.headers.map { "\($0.name.rawName): \($0.value)" }.joined(separator: "\n")
            return Response(
                status: .init(code: status), headers: [.contentType: "text/plain"], body: .init(byteBuffer: ByteBuffer(string: "refused\n\(lines)\n")))
        case .dropAnswer, .delay: return nil
        }
    }

    private static let names = [
        401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
        503: "Service Unavailable",
    ]
}
