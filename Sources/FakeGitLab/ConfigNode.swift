import Yams

/// A part of a pipeline's file with the place that GitLab names in its complaints, such as `jobs:build:image`.
struct ConfigNode {
    let node: Node
    let place: String

    /// nil for what stands for nothing: GitLab takes a key without a value for one that isn't there.
    init?(_ node: Node?, _ place: String) {
        guard let node else { return nil }
        if let scalar = node.scalar, scalar.style == .plain, node.null != nil { return nil }
        (self.node, self.place) = (node, place)
    }

    /// A complaint about this part as a whole.
    func refused(_ why: String) -> PipelineFile.Invalid { .init(description: "\(place) config \(why)") }

    /// A text, or a number as one; nil for lists, hashes and booleans.
    var text: String? {
        guard let scalar = node.scalar else { return nil }
        return scalar.style == .plain && node.bool != nil ? nil : scalar.string
    }

    /// A boolean; nil for anything else, texts such as "true" in quotes among it.
    var flag: Bool? { node.scalar?.style == .plain ? node.bool : nil }

    /// The texts of a list; nil for anything else.
    var texts: [String]? {
        guard let sequence = node.sequence else { return nil }
        let texts = sequence.map { ConfigNode($0, place)?.text }
        return texts.contains { $0 == nil } ? nil : texts.compactMap { $0 }
    }

    /// - Throws: when it is no hash.
    func hash() throws -> ConfigHash {
        guard let mapping = node.mapping else { throw refused("should be a hash") }
        return ConfigHash(mapping, place)
    }

    /// A script: texts in lists of up to ten levels, or a single text.
    func lines() throws -> [String] {
        guard let lines = Self.lines(node, levels: 10) else {
            throw refused("should be a string or a nested array of strings up to 10 levels deep")
        }
        return lines
    }

    private static func lines(_ node: Node, levels: Int) -> [String]? {
        if let text = node.string { return [text] }
        guard let sequence = node.sequence else { return nil }
        let parts = levels == 0 ? [nil] : sequence.map { lines($0, levels: levels - 1) }
        return parts.contains { $0 == nil } ? nil : parts.flatMap { $0 ?? [] }
    }
}

/// A hash of a pipeline's file, merged with what its `<<` keys name.
struct ConfigHash {
    let place: String
    /// Of a key that comes twice the last counts, where the first stands.
    private(set) var members: [(key: String, node: Node)] = []

    init(_ mapping: Node.Mapping, _ place: String) {
        self.place = place
        add(mapping)
    }

    private mutating func add(_ mapping: Node.Mapping) {
        // What is merged gives way to the hash's own keys, wherever it stands, and of several the first counts.
        for (key, value) in mapping where key.string == "<<" {
            let merged = value.mapping.map { [$0] } ?? value.sequence?.compactMap(\.mapping) ?? []
            for mapping in merged.reversed() { add(mapping) }
        }
        for (key, value) in mapping {
            guard let key = key.string, key != "<<" else { continue }
            if let index = members.firstIndex(where: { $0.key == key }) { members[index].node = value } else { members.append((key, value)) }
        }
    }

    /// nil for a key that isn't there or has no value.
    subscript(key: String) -> ConfigNode? { ConfigNode(members.last { $0.key == key }?.node, "\(place):\(key)") }

    /// - Parameters:
    ///   - allowed: what is understood here.
    ///   - unsupported: what GitLab understands and the fake GitLab doesn't.
    /// - Throws: for any other key, naming it.
    func allow(_ allowed: Set<String>, unsupported: Set<String> = []) throws {
        let unknown = members.map(\.key).filter { !allowed.contains($0) && !unsupported.contains($0) }
        if !unknown.isEmpty { throw PipelineFile.Invalid(description: "\(place) config contains unknown keys: \(unknown.joined(separator: ", "))") }
        if let key = members.map(\.key).first(where: unsupported.contains) { throw PipelineFile.Invalid.unsupported("\(place):\(key)") }
    }

    /// A complaint about one of the hash's members.
    func refused(_ key: String, _ why: String) -> PipelineFile.Invalid { .init(description: "\(place) \(key) \(why)") }

    func text(_ key: String) throws -> String? {
        guard let member = self[key] else { return nil }
        guard let text = member.text else { throw refused(key, "should be a string") }
        return text
    }

    func flag(_ key: String) throws -> Bool? {
        guard let member = self[key] else { return nil }
        guard let flag = member.flag else { throw refused(key, "should be a boolean value") }
        return flag
    }

    func texts(_ key: String) throws -> [String]? {
        guard let member = self[key] else { return nil }
        guard let texts = member.texts else { throw refused(key, "should be an array of strings") }
        return texts
    }

    func text(_ key: String, oneOf words: [String]) throws -> String? {
        guard let text = try text(key) else { return nil }
        guard words.contains(text) else { throw refused(key, "should be one of: \(words.joined(separator: ", "))") }
        return text
    }
}

extension PipelineFile.Invalid {
    /// Right in GitLab, and beyond what is simulated.
    static func unsupported(_ what: String) -> PipelineFile.Invalid { .init(description: "\(what) is not supported by the fake GitLab") }
}
