extension PipelineFile {
    /// What a job waits for.
    public struct Need: Sendable, Equatable {
        /// The other job's.
        public var name: String
        /// Whether the other job's artifacts come along.
        public var artifacts: Bool
        /// Whether the other job may be missing in the file.
        public var isOptional: Bool
    }

    /// A job with what it inherits.
    public struct Job: Sendable, Equatable {
        /// The key in the file.
        public var name: String
        /// `test` when nothing is said.
        public var stage: String
        /// What runs before it, and itself.
        public var script: [String]
        /// Runs whatever became of the script.
        public var afterScript: [String]
        /// What runs before the sources come (`hooks:pre_get_sources_script`).
        public var preGetSourcesScript: [String]
        /// Runners that take it have all of these.
        public var tags: [String]
        /// Its own over those of all jobs, in the file's order.
        public var variables: [PipelineVariable]
        /// nil: the runner's.
        public var image: JobImage?
        /// Containers beside its own.
        public var services: [JobService]
        /// In the file's order; at most four.
        public var caches: [JobCache]
        /// nil: it leaves none.
        public var artifacts: JobArtifacts?
        /// nil: waits for all of the stages before; empty: waits for nothing.
        public var needs: [Need]?
        /// Whose artifacts it gets; nil: of all that it waits for; empty: of none.
        public var dependencies: [String]?
        /// In seconds.
        public var timeout: Int
        /// Whether others go on when it fails.
        public var allowFailure: Bool
        /// Waits for a person.
        public var manual: Bool

        private static let keys: Set<String> = [
            "stage", "script", "before_script", "after_script", "hooks", "tags", "variables", "image", "services", "cache", "artifacts", "needs",
            "dependencies", "timeout", "allow_failure", "when", "inherit",
        ]
        private static let unsupportedKeys: Set<String> = [
            "extends", "only", "except", "rules", "resource_group", "environment", "interruptible", "start_in", "coverage", "retry", "parallel", "release",
            "id_tokens", "identity", "publish", "pages", "manual_confirmation", "run", "secrets", "trigger", "dast_configuration",
        ]

        init(_ name: String, _ body: ConfigHash, _ defaults: JobDefaults, _ global: [PipelineVariable]) throws {
            self.name = name
            try body.allow(Self.keys, unsupported: Self.unsupportedKeys)
            let inherited = try Inheritance(body["inherit"])
            /// The job's own, or what it inherits.
            func value(_ key: String) -> ConfigNode? { body[key] ?? (inherited.takesDefault(key) ? defaults[key] : nil) }
            func lines(_ config: ConfigNode?) throws -> [String] { try config?.lines() ?? [] }

            stage = try body.text("stage") ?? "test"
            let script = try lines(body["script"])
            if script.isEmpty { throw Invalid(description: "jobs:\(name) config should implement the script:, run:, or trigger: keyword") }
            self.script = try lines(value("before_script")) + script
            afterScript = try lines(value("after_script"))
            preGetSourcesScript = try value("hooks").map(JobDefaults.hooks) ?? []
            tags = try value("tags").map(JobDefaults.tags) ?? []
            let own = try body["variables"].map { try PipelineVariable.all($0, allowing: ["expand"]) } ?? []
            let others = global.filter { variable in inherited.takesVariable(variable.key) && !own.contains { $0.key == variable.key } }
            variables = others + own
            image = try value("image").map(JobImage.init)
            services = try value("services").map(JobService.all) ?? []
            caches = try value("cache").map(JobCache.all) ?? []
            artifacts = try value("artifacts").map(JobArtifacts.init)
            needs = try body["needs"].map(Self.needs)
            dependencies = try body.texts("dependencies")
            timeout = try value("timeout").map(JobDefaults.timeout) ?? 3600
            if let allowed = body["allow_failure"], allowed.node.mapping != nil { throw Invalid.unsupported("\(allowed.place):exit_codes") }
            allowFailure = try body.flag("allow_failure") ?? false
            let when = try body.text("when", oneOf: ["on_success", "on_failure", "always", "manual", "delayed"])
            if let when, !["on_success", "manual"].contains(when) { throw Invalid.unsupported("jobs:\(name):when: \(when)") }
            manual = when == "manual"
        }

        private static func needs(_ config: ConfigNode) throws -> [Need] {
            guard let nodes = config.node.sequence.map(Array.init) ?? config.node.mapping.map({ _ in [config.node] }) else {
                throw config.refused("can only be a hash or an array")
            }
            return try nodes.map { node in
                guard let need = ConfigNode(node, "\(config.place):need") else { throw config.refused("has an unsupported type") }
                if let name = need.text { return Need(name: name, artifacts: true, isOptional: false) }
                let hash = try need.hash()
                try hash.allow(["job", "artifacts", "optional"], unsupported: ["project", "ref", "pipeline", "parallel"])
                guard let name = try hash.text("job") else { throw hash.refused("job", "can't be blank") }
                return Need(name: name, artifacts: try hash.flag("artifacts") ?? true, isOptional: try hash.flag("optional") ?? false)
            }
        }
    }
}
