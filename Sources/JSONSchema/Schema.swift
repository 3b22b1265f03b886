/// A JSON schema (draft 2020-12, https://json-schema.org/draft/2020-12/json-schema-core), which OpenAPI 3.1 uses as it is.
///
/// A function for each kind of value makes one; what is said of it follows as calls: `.string("its name").matching("^[a-z]+$")`.
public struct Schema: Sendable, Equatable {
    private var members: [JSONValue.Member]
    /// Whether an object that has it as a property may be without.
    public private(set) var isOptional = false

    private init(_ members: [JSONValue.Member]) { self.members = members }

    /// As JSON.
    public var value: JSONValue { .object(members) }

    // MARK: Kinds

    private static func typed(_ type: String, _ description: String?) -> Schema {
        Schema([.init("type", .string(type))]).adding("description", description.map(JSONValue.string))
    }

    /// Any text.
    public static func string(_ description: String? = nil) -> Schema { typed("string", description) }
    /// A number without a fraction.
    public static func integer(_ description: String? = nil) -> Schema { typed("integer", description) }
    /// Bytes, and numbers of GitLab's.
    public static func int64(_ description: String? = nil) -> Schema { integer(description).adding("format", "int64") }
    /// Any number.
    public static func number(_ description: String? = nil) -> Schema { typed("number", description) }
    /// True or false.
    public static func flag(_ description: String? = nil) -> Schema { typed("boolean", description) }

    /// One of some words, and no other.
    public static func word(_ description: String? = nil, of words: [String]) -> Schema {
        string(description).adding("enum", .array(words.map(JSONValue.string)))
    }

    /// Any number of values that fit the same schema.
    public static func array(_ description: String? = nil, of items: Schema) -> Schema { typed("array", description).adding("items", items.value) }

    /// An object whose names are data.
    public static func map(_ description: String? = nil, of values: Schema) -> Schema {
        typed("object", description).adding("additionalProperties", values.value)
    }

    /// An object with these properties. It may have others unless it is `closed()`.
    public static func object(_ description: String? = nil, _ properties: KeyValuePairs<String, Schema>) -> Schema {
        object(description, properties.map { ($0.key, $0.value) })
    }

    /// The same, of properties that were made elsewhere.
    public static func object(_ description: String? = nil, _ properties: [(name: String, schema: Schema)]) -> Schema {
        let required = properties.filter { !$0.schema.isOptional }.map { JSONValue.string($0.name) }
        return typed("object", description)
            .adding("properties", .object(properties.map { .init($0.name, $0.schema.value) }))
            .adding("required", required.isEmpty ? nil : .array(required))
    }

    /// What stands elsewhere in the document.
    /// - Parameter pointer: a URI with a JSON pointer (RFC 6901), such as `#/components/schemas/Runner`.
    public static func reference(_ pointer: String, _ description: String? = nil) -> Schema {
        Schema([.init("$ref", .string(pointer))]).adding("description", description.map(JSONValue.string))
    }

    /// One of these holds.
    public static func any(_ description: String? = nil, of schemas: [Schema]) -> Schema {
        Schema([]).adding("description", description.map(JSONValue.string)).adding("anyOf", .array(schemas.map(\.value)))
    }

    // MARK: What is said of one

    /// With one keyword more; the same without where the value is nil.
    public func adding(_ keyword: String, _ value: JSONValue?) -> Schema {
        guard let value else { return self }
        var schema = self
        schema.members.append(.init(keyword, value))
        return schema
    }

    /// Objects may be without it.
    public var optional: Schema {
        var schema = self
        schema.isOptional = true
        return schema
    }

    /// Has no properties but those that are named.
    public var closed: Schema { adding("additionalProperties", false) }

    /// - Parameter pattern: a regular expression (ECMA-262) that fits a part of the text.
    public func matching(_ pattern: String) -> Schema { adding("pattern", .string(pattern)) }

    /// A number's bounds, which are among its values.
    public func from(_ least: Int64, to most: Int64? = nil) -> Schema {
        adding("minimum", .integer(least)).adding("maximum", most.map(JSONValue.integer))
    }

    /// What stands for its absence; nil says nothing.
    public func byDefault(_ value: JSONValue?) -> Schema { adding("default", value) }
    /// One that people learn from; nil says nothing.
    public func example(_ value: JSONValue?) -> Schema { adding("examples", value.map { .array([$0]) }) }
}
