import FoundationEssentials

/// What JSON and YAML have in common, as far as CDI specifications and kubeconfigs go: no difference is made between numbers, truth values and strings.
package indirect enum PlainTree: Equatable, Sendable {
    case scalar(String)
    case list([PlainTree])
    case map([String: PlainTree])
    /// JSON's null, and a key of YAML without a value.
    case nothing

    package subscript(key: String) -> PlainTree? {
        if case .map(let map) = self { map[key] } else { nil }
    }
    package var text: String? {
        if case .scalar(let text) = self { text } else { nil }
    }
    /// The elements of a list; of anything else, none.
    package var elements: [PlainTree] {
        if case .list(let list) = self { list } else { [] }
    }
}

extension PlainTree: Decodable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .nothing
        } else if let text = try? container.decode(String.self) {
            self = .scalar(text)
        } else if let truth = try? container.decode(Bool.self) {
            self = .scalar(truth ? "true" : "false")
        } else if let number = try? container.decode(Double.self) {
            self = .scalar("\(number)")
        } else if let list = try? container.decode([PlainTree].self) {
            self = .list(list)
        } else {
            self = .map(try container.decode([String: PlainTree].self))
        }
    }
}

/// A text that can't be read, and why, in words that follow a file's name.
package struct Malformed: Error, Equatable {
    package var reason: String
}
