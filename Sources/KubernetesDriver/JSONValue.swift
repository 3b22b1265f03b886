/// JSON of any shape, for what is passed on as it is.
indirect enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    subscript(key: String) -> JSONValue? {
        get { if case .object(let members) = self { members[key] } else { nil } }
        set {
            guard case .object(var members) = self else { return }
            members[key] = newValue
            self = .object(members)
        }
    }

    /// nil for anything but a string.
    var text: String? { if case .string(let text) = self { text } else { nil } }
}

extension JSONValue: Codable {
    /// - Throws: `DecodingError` for numbers beyond a double.
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let number = try? container.decode(Int64.self) {
            self = .integer(number)
        } else if let text = try? container.decode(String.self) {
            self = .string(text)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let elements = try? container.decode([JSONValue].self) {
            self = .array(elements)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// As it was read, but for the order of an object's members.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let number): try container.encode(number)
        case .number(let number): try container.encode(number)
        case .string(let text): try container.encode(text)
        case .array(let elements): try container.encode(elements)
        case .object(let members): try container.encode(members)
        }
    }
}

extension JSONValue {
    /// Lists of a pod whose elements are told apart by a member of theirs, as in Kubernetes' strategic merge patch
    /// (`x-kubernetes-patch-merge-key` in its OpenAPI).
    private static let mergeKeys = [
        "containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "imagePullSecrets": "name", "volumeMounts": "mountPath",
        "hostAliases": "ip",
    ]

    /// JSON merge patch (RFC 7386): objects are merged member by member, null takes a member away, and anything else replaces. But the lists that
    /// are known to be maps are merged element by element, so that a patch can add a volume without repeating the others.
    func merged(with patch: JSONValue) -> JSONValue { merged(with: patch, under: nil) }

    private func merged(with patch: JSONValue, under name: String?) -> JSONValue {
        switch patch {
        case .object(let changes):
            var members = if case .object(let mine) = self { mine } else { [String: JSONValue]() }
            for (key, value) in changes {
                members[key] = value == .null ? nil : (members[key] ?? .null).merged(with: value, under: key)
            }
            return .object(members)
        case .array(let changes):
            guard let key = name.flatMap({ Self.mergeKeys[$0] }), case .array(var elements) = self else { return patch }
            for change in changes {
                if let id = change[key], let index = elements.firstIndex(where: { $0[key] == id }) {
                    elements[index] = elements[index].merged(with: change, under: nil)
                } else {
                    elements.append(change)
                }
            }
            return .array(elements)
        default: return patch
        }
    }
}
