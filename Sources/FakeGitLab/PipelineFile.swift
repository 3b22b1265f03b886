import Yams

/// What a `.gitlab-ci.yml` says. What GitLab understands and the fake GitLab doesn't is refused by name, so that no test
/// passes because its file was only half read.
public struct PipelineFile: Sendable, Equatable {
    /// GitLab's complaint about a file, or the fake GitLab's about what it doesn't know.
    public struct Invalid: Error, CustomStringConvertible {
        /// One line, with the place in the file.
        public var description: String
    }

    /// In the order in which they run, `.pre` and `.post` among them.
    public var stages: [String]
    /// Of all jobs, in the file's order.
    public var variables: [PipelineVariable]
    /// In the file's order.
    public var jobs: [Job]

    /// Beside `default:` and jobs. Everything else at the top is a job.
    private static let global: Set<String> = ["stages", "variables", "default", "image", "services", "cache", "before_script", "after_script"]
    private static let unsupportedGlobal: Set<String> = ["workflow", "include", "spec"]

    /// - Parameter acceptingUnquotedColons: reads a script line such as `- echo "Job: 1"`, which YAML takes for a
    ///   mapping or can't read at all, so that GitLab refuses it, as the text that its author meant.
    /// - Throws: `Invalid`, with GitLab's kind of message.
    public init(_ text: String, acceptingUnquotedColons: Bool = false) throws {
        let root: Node?
        do { root = try Yams.compose(yaml: acceptingUnquotedColons ? Self.quotingColons(text) : text) } catch {
            throw Invalid(description: "(<unknown>): \(error)")
        }
        guard let mapping = root?.mapping else { throw Invalid(description: "Invalid configuration format") }
        let file = ConfigHash(mapping, "root")
        if let key = file.members.map(\.key).first(where: Self.unsupportedGlobal.contains) { throw Invalid.unsupported(key) }
        let globals = Dictionary(file.members.map { ($0.key, $0.node) }) { $1 }

        if let declared = ConfigNode(globals["stages"], "stages") {
            guard let names = declared.texts else { throw declared.refused("should be an array of strings") }
            stages = [".pre"] + names.filter { ![".pre", ".post"].contains($0) } + [".post"]
        } else {
            stages = [".pre", "build", "test", "deploy", ".post"]
        }
        variables =
            try ConfigNode(globals["variables"], "variables").map {
                try PipelineVariable.all($0, allowing: ["description", "expand", "options"])
            } ?? []
        let defaults = try JobDefaults(globals)
        jobs = []
        for (name, node) in file.members where !name.hasPrefix(".") && !Self.global.contains(name) {
            guard let body = node.mapping else { throw Invalid(description: "jobs:\(name) config should be a hash") }
            jobs.append(try Job(name, ConfigHash(body, "jobs:\(name)"), defaults, variables))
        }
        if jobs.isEmpty { throw Invalid(description: "jobs config should contain at least one visible job") }
        try checkStagesAndNeeds()
    }

    /// The file with each element of a list in quotes that has a colon behind several words. `- name: x` has it behind one: that is a mapping.
    static func quotingColons(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let indent = line.prefix { $0 == " " }
            let item = line.dropFirst(indent.count)
            guard item.hasPrefix("- "), let colon = item.firstRange(of: ": ") else { return String(line) }
            let written = item.dropFirst(2).drop { $0 == " " }
            guard let first = written.first, !"\"'[{|>&*!#".contains(first), written[..<colon.lowerBound].contains(" ") else { return String(line) }
            return "\(indent)- '\(written.replacing("'", with: "''"))'"
        }.joined(separator: "\n")
    }

    // MARK: What jobs say of each other

    private func checkStagesAndNeeds() throws {
        let byName = Dictionary(jobs.map { ($0.name, $0) }) { $1 }
        for job in jobs {
            guard stages.contains(job.stage) else {
                throw Invalid(
                    description: "\(job.name) job: chosen stage \(job.stage) does not exist; available stages are \(stages.joined(separator: ", "))")
            }
            for name in job.dependencies ?? [] { try check(job, "dependency", byName[name], name) }
            for need in job.needs ?? [] where byName[need.name] != nil || !need.isOptional { try check(job, "need", byName[need.name], need.name) }
            let needed = job.needs?.map(\.name) ?? []
            let doubled = Dictionary(grouping: needed) { $0 }.filter { $0.value.count > 1 }.keys.sorted()
            if !doubled.isEmpty { throw Invalid(description: "\(job.name) has the following needs duplicated: \(doubled.joined(separator: ", ")).") }
            let missing = (job.dependencies ?? []).filter { !needed.contains($0) }
            if !needed.isEmpty, !missing.isEmpty {
                throw Invalid(description: "jobs:\(job.name) dependencies the \(missing.joined(separator: ", ")) should be part of needs")
            }
        }
        try checkForCircles(byName)
    }

    private func check(_ job: Job, _ kind: String, _ other: Job?, _ name: String) throws {
        guard let other else { throw Invalid(description: "\(job.name) job: undefined \(kind): \(name)") }
        if position(of: other.stage) > position(of: job.stage) {
            throw Invalid(description: "\(job.name) job: \(kind) \(name) is not defined in current or prior stages")
        }
    }

    func position(of stage: String) -> Int { stages.firstIndex(of: stage) ?? 0 }

    /// Needs within a stage could wait for each other for ever.
    private func checkForCircles(_ byName: [String: Job]) throws {
        var open = jobs
        while !open.isEmpty {
            let names = Set(open.map(\.name))
            let waiting = open.filter { job in job.needs?.contains { names.contains($0.name) } ?? false }
            if waiting.count == open.count { throw Invalid(description: "The pipeline has circular dependencies") }
            open = waiting
        }
    }
}
