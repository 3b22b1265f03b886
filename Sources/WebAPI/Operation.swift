import HTTPTypes
import JSONSchema

/// A call of the API as the document describes it.
struct Operation: Sendable {
    /// What one has to know, or to be, for it.
    enum Guard: Sendable { case open, reading, metrics, writing, webhook, session }

    /// What it is for.
    enum Tag: String, Sendable, CaseIterable {
        case reading, events, orders, webhook, page

        var description: String {
            switch self {
            case .reading: "What is, and what was."
            case .events: "What happens, as it happens."
            case .orders: "Calls that change something, or that not everybody may make; on TCP they need the control token."
            case .webhook: "What GitLab calls."
            case .page: "The page for people, and what it is made of. Programs have better."
            }
        }
    }

    struct Parameter: Sendable {
        enum Place: String, Sendable { case path, query, header }
        var name: String
        var place: Place
        var description: String
        var schema: Schema
        /// Values with commas between them, and not the parameter again for each.
        var isList = false

        static func path(_ name: String, _ description: String, _ schema: Schema = .string()) -> Self {
            Self(name: name, place: .path, description: description, schema: schema)
        }
        static func query(_ name: String, _ description: String, _ schema: Schema = .string()) -> Self {
            Self(name: name, place: .query, description: description, schema: schema)
        }
        static func header(_ name: HTTPField.Name, _ description: String) -> Self {
            Self(name: name.rawName, place: .header, description: description, schema: .string())
        }

        var value: JSONValue {
            var value: [JSONValue.Member] = [
                .init("name", .string(name)), .init("in", .string(place.rawValue)), .init("description", .string(description)),
                .init("required", .flag(place == .path)), .init("schema", schema.value),
            ]
            if isList { value += [.init("style", "form"), .init("explode", false)] }
            return .object(value)
        }
    }

    struct Content: Sendable {
        var type: String
        var schema: Schema

        static func json(_ schema: Schema) -> Self { Self(type: "application/json", schema: schema) }
        static func json(_ name: String) -> Self { json(ViewSchemas.reference(to: name)) }
        static func list(of name: String) -> Self { json(.array(of: ViewSchemas.reference(to: name))) }
        static func text(_ type: String) -> Self { Self(type: type, schema: .string()) }
        static let page = text("text/html")
        static let problem = Self(type: "application/problem+json", schema: ViewSchemas.reference(to: "Problem"))
    }

    struct Answer: Sendable {
        var status: HTTPResponse.Status
        var description: String
        var contents: [Content]
        /// Those that mean something, by their names.
        var headers: [(name: HTTPField.Name, schema: Schema)] = []

        static func ok(_ description: String, _ contents: Content...) -> Self { Self(status: .ok, description: description, contents: contents) }
        static func accepted(_ description: String, _ contents: Content...) -> Self { Self(status: .accepted, description: description, contents: contents) }
        /// An error of this call; those that any call may have follow from its guard.
        static func problem(_ status: HTTPResponse.Status, _ description: String) -> Self {
            Self(status: status, description: description, contents: [.problem])
        }
        static func redirect(_ description: String) -> Self {
            Self(status: .seeOther, description: description, contents: [], headers: [(.location, .string())])
        }

        var value: JSONValue {
            var value: [JSONValue.Member] = [.init("description", .string(description))]
            if !headers.isEmpty {
                value.append(.init("headers", .object(headers.map { .init($0.name.rawName, ["schema": $0.schema.value]) })))
            }
            if !contents.isEmpty {
                value.append(.init("content", .object(contents.map { .init($0.type, ["schema": $0.schema.value]) })))
            }
            return .object(value)
        }
    }

    var method: HTTPRequest.Method
    /// With `{name}` for each parameter in it.
    var path: String
    /// Unique among all.
    var id: String
    var tag: Tag
    var access: Guard
    /// One line.
    var summary: String
    var parameters: [Parameter] = []
    var body: Content?
    /// But for those that follow from `access`.
    var answers: [Answer]
    /// Whether its errors are pages for those who ask for HTML.
    var hasPages = false
}
