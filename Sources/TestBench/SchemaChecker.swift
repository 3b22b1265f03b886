import Foundation
import JSONSchema

extension JSONValue: Decodable {
    /// Takes any JSON. Names are sorted.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .flag(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self).sorted { $0.key < $1.key }.map { Member($0.key, $0.value) })
        }
    }

    /// - Throws: `DecodingError` where it is no JSON.
    public init(json text: String) throws { self = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) }

    /// The value of a name in an object; nil where there is none, and for anything else.
    public subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// Those of an object, and none of anything else.
    public var members: [Member] { if case .object(let members) = self { members } else { [] } }
    /// Those of an array, and none of anything else.
    public var elements: [JSONValue] { if case .array(let elements) = self { elements } else { [] } }
    /// nil for what is no string.
    public var string: String? { if case .string(let text) = self { text } else { nil } }
    /// nil for what is no number.
    public var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
}

/// Holds values against a schema, as far as ours go: a keyword that it doesn't know is a complaint.
public struct SchemaChecker {
    private let document: JSONValue
    private let isStrict: Bool

    /// - Parameters:
    ///   - document: in which references are looked up.
    ///   - isStrict: objects have the properties that are named, and no others, also where their schema doesn't say so.
    public init(document: JSONValue, isStrict: Bool = false) {
        self.document = document
        self.isStrict = isStrict
    }

    /// What a reference stands for; anything else stands for itself, and a reference to nothing for `null`.
    public func resolved(_ schema: JSONValue) -> JSONValue {
        guard let reference = schema["$ref"]?.string else { return schema }
        return reference.split(separator: "/").dropFirst().reduce(document) { $0[String($1)] ?? .null }
    }

    /// What is wrong with a value, each with its place; none when nothing is.
    public func complaints(about value: JSONValue, by schema: JSONValue, at place: String = "$") -> [String] {
        let schema = resolved(schema)
        var found: [String] = []
        func expect(_ isFine: Bool, _ what: String) { if !isFine { found.append("\(place): \(what), and not \(value.text)") } }
        if schema == .null { found.append("\(place): there is no such schema") }
        for keyword in schema.members {
            let limit = keyword.value
            switch keyword.name {
            case "description", "title", "default", "examples", "format", "$schema": break
            case "type": expect(Self.type(value, is: limit.string ?? ""), "should be of type \(limit.text)")
            case "enum": expect(limit.elements.contains(value), "should be one of \(limit.text)")
            case "pattern":
                guard let text = value.string else { break }
                expect((try? Regex(limit.string ?? "(").firstMatch(in: text)) != nil, "should fit \(limit.text)")
            case "minLength": if let text = value.string { expect(Double(text.unicodeScalars.count) >= limit.double ?? .infinity, "should be longer") }
            case "minItems": expect(Double(value.elements.count) >= limit.double ?? .infinity, "should have more elements")
            case "minimum": if let number = value.double { expect(number >= limit.double ?? .infinity, "should be at least \(limit.text)") }
            case "exclusiveMinimum": if let number = value.double { expect(number > limit.double ?? .infinity, "should be more than \(limit.text)") }
            case "maximum": if let number = value.double { expect(number <= limit.double ?? -.infinity, "should be at most \(limit.text)") }
            case "anyOf":
                expect(limit.elements.contains { complaints(about: value, by: $0, at: place).isEmpty }, "should be one of \(limit.text)")
            case "items":
                for (index, element) in value.elements.enumerated() { found += complaints(about: element, by: limit, at: "\(place)[\(index)]") }
            case "required": for name in limit.elements { expect(value[name.string ?? ""] != nil, "should have \(name.text)") }
            case "properties":
                for member in value.members {
                    if let schema = limit[member.name] { found += complaints(about: member.value, by: schema, at: "\(place).\(member.name)") }
                }
            case "propertyNames":
                for member in value.members { found += complaints(about: .string(member.name), by: limit, at: "\(place).\(member.name)?") }
            case "additionalProperties": break
            default: found.append("\(place): the checker knows no \(keyword.name)")
            }
        }
        for member in value.members where schema["properties"]?[member.name] == nil {
            switch schema["additionalProperties"] {
            case nil where isStrict && schema["properties"] != nil, .flag(false): found.append("\(place): should have no \(member.name)")
            case nil, .flag: break
            case let other?: found += complaints(about: member.value, by: other, at: "\(place).\(member.name)")
            }
        }
        return found
    }

    private static func type(_ value: JSONValue, is name: String) -> Bool {
        switch (name, value) {
        case ("object", .object), ("array", .array), ("string", .string), ("boolean", .flag), ("number", .number), ("number", .integer), ("integer", .integer):
            true
        default: false
        }
    }
}
