/// A variable of a pipeline's file.
public struct PipelineVariable: Sendable, Equatable {
    /// Its name.
    public var key: String
    /// Numbers as they are written.
    public var value: String
    /// Other variables' names in it stay as they are.
    public var isRaw = false

    /// - Parameter allowing: the keys that may stand beside `value` where a variable is a hash; none: it must be a text or a number.
    static func all(_ config: ConfigNode, allowing: Set<String>) throws -> [PipelineVariable] {
        guard config.node.mapping != nil else { throw config.refused("should be a hash of key value pairs") }
        return try config.hash().members.map { key, node in
            // A key without a value is an empty text.
            guard let entry = ConfigNode(node, "\(config.place):\(key)") else { return PipelineVariable(key: key, value: "") }
            if let text = entry.text { return PipelineVariable(key: key, value: text) }
            guard !allowing.isEmpty, entry.node.mapping != nil else {
                throw PipelineFile.Invalid(description: "\(entry.place) config must be either a string or a hash")
            }
            let hash = try entry.hash()
            try hash.allow(allowing.union(["value"]))
            return PipelineVariable(key: key, value: try hash.text("value") ?? "", isRaw: try hash.flag("expand") == false)
        }
    }
}
