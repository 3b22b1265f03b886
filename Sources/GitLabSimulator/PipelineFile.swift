import Yams

/// What a `.gitlab-ci.yml` says, as far as it is understood here: stages, script, tags, variables, needs.
public struct PipelineFile: Sendable, Equatable {
    public struct Job: Sendable, Equatable {
        public var name: String
        public var stage: String
        public var script: [String]
        public var afterScript: [String]
        public var tags: [String]
        public var variables: [String: String]
        /// nil: waits for all of the stages before; empty: waits for nothing.
        public var needs: [String]?
        public var allowFailure: Bool
        public var manual: Bool
    }

    public struct Invalid: Error, CustomStringConvertible {
        public var description: String
    }

    public var stages: [String]
    public var variables: [String: String]
    public var jobs: [Job]

    private static let global: Set<String> = [
        "stages", "variables", "default", "workflow", "include", "image", "services", "cache", "before_script", "after_script", "spec",
    ]

    /// - Parameter acceptingUnquotedColons: reads a script line such as `- echo "Job: 1"`, which YAML takes for a
    ///   mapping and GitLab refuses, as the text that its author meant.
    /// - Throws: `Invalid`, with GitLab's kind of message.
    public init(_ text: String, acceptingUnquotedColons: Bool = false) throws {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch { throw Invalid(description: "(<unknown>): \(error)") }
        guard let mapping = root?.mapping else { throw Invalid(description: "Invalid configuration format") }
        let declared = mapping["stages"]?.sequence?.compactMap(\.string) ?? ["build", "test", "deploy"]
        stages = [".pre"] + declared + [".post"]
        variables = Self.variables(mapping["variables"])
        jobs = []
        let defaults = mapping["default"]?.mapping
        for (key, node) in mapping {
            guard let name = key.string, !name.hasPrefix("."), !Self.global.contains(name) else { continue }
            guard let body = node.mapping else { throw Invalid(description: "jobs:\(name) config should be a hash") }
            guard let script = Self.lines(body["script"], acceptingUnquotedColons),
                let before = Self.lines(body["before_script"] ?? defaults?["before_script"] ?? mapping["before_script"], acceptingUnquotedColons),
                let after = Self.lines(body["after_script"] ?? defaults?["after_script"] ?? mapping["after_script"], acceptingUnquotedColons)
            else {
                throw Invalid(description: "jobs:\(name):script config should be a string or a nested array of strings up to 10 levels deep")
            }
            if script.isEmpty { throw Invalid(description: "jobs:\(name) config should implement the script:, run:, or trigger: keyword") }
            let stage = body["stage"]?.string ?? "test"
            if !stages.contains(stage) {
                throw Invalid(description: "\(name) job: chosen stage \(stage) does not exist; available stages are \(stages.joined(separator: ", "))")
            }
            jobs.append(
                Job(
                    name: name, stage: stage, script: before + script,
                    afterScript: after,
                    tags: (body["tags"] ?? defaults?["tags"])?.sequence?.compactMap(\.string) ?? [],
                    variables: Self.variables(body["variables"]),
                    needs: body["needs"]?.sequence?.compactMap { $0.string ?? $0.mapping?["job"]?.string },
                    allowFailure: body["allow_failure"]?.bool ?? false, manual: body["when"]?.string == "manual"))
        }
        if jobs.isEmpty { throw Invalid(description: "jobs config should contain at least one visible job") }
        let names = Set(jobs.map(\.name))
        for job in jobs {
            for need in job.needs ?? [] where !names.contains(need) {
                throw Invalid(description: "'\(job.name)' job needs '\(need)' job, but '\(need)' does not exist in the pipeline")
            }
        }
    }

    /// nil for what is no text and no list of texts.
    private static func lines(_ node: Node?, _ acceptingColons: Bool) -> [String]? {
        guard let node else { return [] }
        if let text = node.string { return [text] }
        if let sequence = node.sequence {
            let parts = sequence.map { lines($0, acceptingColons) }
            return parts.contains { $0 == nil } ? nil : parts.flatMap { $0 ?? [] }
        }
        guard acceptingColons, let pair = node.mapping?.first, node.mapping?.count == 1, let key = pair.key.string, let value = pair.value.string else {
            return nil
        }
        return ["\(key): \(value)"]
    }

    private static func variables(_ node: Node?) -> [String: String] {
        var found: [String: String] = [:]
        for (key, value) in node?.mapping ?? [:] {
            if let key = key.string { found[key] = value.string ?? value.mapping?["value"]?.string ?? "" }
        }
        return found
    }
}
