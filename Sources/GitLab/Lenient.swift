import Fleet

extension KeyedDecodingContainer {
    /// nil for a field that is absent, null or of another type than expected: GitLab's versions differ, and a field that
    /// is good to have must not make the rest unreadable.
    func ifReadable<Value: Decodable>(_ type: Value.Type, _ key: Key) -> Value? {
        try? decodeIfPresent(type, forKey: key)
    }
}

/// One element of a list that is read element by element, so that an odd one costs only itself.
enum Element<Value: Sendable>: Sendable {
    case good(Value)
    /// - Parameters:
    ///   - id: the element's id, where it has one.
    ///   - reason: the end of a sentence about the element.
    case odd(id: String?, reason: String)

    /// The element itself; nil when it is odd.
    var value: Value? {
        if case .good(let value) = self { value } else { nil }
    }

    /// The same element as another value.
    func map<Other: Sendable>(_ transform: (Value) -> Other) -> Element<Other> {
        switch self {
        case .good(let value): .good(transform(value))
        case .odd(let id, let reason): .odd(id: id, reason: reason)
        }
    }
}

extension Element: Decodable where Value: Decodable {
    init(from decoder: any Decoder) throws {
        do {
            self = .good(try Value(from: decoder))
        } catch {
            self = .odd(id: (try? Label(from: decoder))?.id, reason: Self.reason(error))
        }
    }

    private static func reason(_ error: any Error) -> String {
        let field: String? =
            switch error {
            case DecodingError.keyNotFound(let key, _): key.stringValue
            case DecodingError.valueNotFound(_, let context), DecodingError.typeMismatch(_, let context), DecodingError.dataCorrupted(let context):
                context.codingPath.last.flatMap { $0.intValue == nil ? $0.stringValue : nil }
            default: nil
            }
        return field.map { "its \($0) is missing or unreadable" } ?? "it is not an object"
    }

    private struct Label: Decodable {
        var id: String?
        enum CodingKeys: String, CodingKey { case id }
        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            id = fields.ifReadable(Int64.self, .id).map { String($0) } ?? fields.ifReadable(String.self, .id)
        }
    }
}

extension Sequence {
    /// The good elements' values.
    func values<Value>() -> [Value] where Self.Element == GitLab.Element<Value> { compactMap(\.value) }
}
