import Fleet
import JSONSchema

extension SettingsSchema {
    /// A JSON schema (draft 2020-12) of the configuration file, for editors of TOML. What only the reader knows, such as rules between keys, files
    /// and the least of a size, is left to `autogitctl check`.
    public static var editorSchema: JSONValue {
        let parts = sections.map { section in
            // All but this one can be absent.
            let schema = table(section.keys, SettingsDraft(), required: section.name == "gitlab" ? ["url"] : [])
            if section.name == hostSection { return (name: section.name, schema: Schema.any(of: [schema, hosts]).optional) }
            return (name: section.name, schema: section.name == "gitlab" ? schema : schema.optional)
        }
        let root = Schema.object(
            "The configuration of AutoGit; autogit.toml(5) explains every key.",
            parts + [(registrySection, registries), (notifySection, targets), (prioritySection, rules), ("pool", pools)])
        guard case .object(let members) = root.closed.value else { return .null }
        return .object(
            [.init("$schema", "https://json-schema.org/draft/2020-12/schema"), .init("title", "autogit.toml")] + members)
    }

    private static var registries: Schema {
        let names = Set(registry.map(\.name))
        return Schema.map("Logins, by the registries' names in quotes.", of: table(registry, RegistryDraft(), required: names))
            .adding("propertyNames", ["pattern": #"^[^/\s]+$"#]).optional
    }

    /// In place of the section `[host]`.
    private static var hosts: Schema {
        let sleepers = table(power, PowerDraft(), required: ["wake"]).optional
        let machines = table(host, HostDraft(), required: ["name"], and: [(powerSection, sleepers)])
        return .array("The machines that runners are placed on, this one and others.", of: machines).adding("minItems", 1)
    }

    private static var targets: Schema {
        .array("Who is told of troubles.", of: table(notify, NotifyDraft(), required: ["kind"])).optional
    }

    private static var rules: Schema {
        .array("Which jobs come first; the first rule that a job fits is its own.", of: table(priority, PriorityDraft(), required: ["value"])).optional
    }

    private static var pools: Schema {
        let nested = poolSections.map { (name: $0.name, schema: table($0.keys, Pool(name: "")).optional) }
        let runner = Schema.object("gitlab-runner's own keys for [[runners]]; it checks them itself.", []).optional
        let schedules = Schema.array("Other values at other hours; the first that matches counts.", of: table(schedule, ScheduleDraft())).optional
        return .array(
            "The pools of runners.",
            of: table(pool, Pool(name: ""), required: ["name"], and: nested + [(scheduleSection, schedules), (runnerSection, runner)]))
    }

    /// - Parameters:
    ///   - defaults: a target that nothing was read into.
    ///   - nested: tables within it.
    private static func table<Target>(
        _ keys: [SettingKey<Target>], _ defaults: Target, required: Set<String> = [], and nested: [(name: String, schema: Schema)] = []
    ) -> Schema {
        let properties = keys.map { key in
            let usual = key.value(in: defaults).json
            // In the example configuration the summary stands behind a value, and goes on from it.
            let words = key.summary.hasPrefix("or ") ? "\((key.example ?? key.value(in: defaults)).toml), \(key.summary)" : key.summary
            let schema = key.schema.adding("description", .string(words)).byDefault(key.example == nil ? usual : nil).example(key.example?.json)
            return (name: key.name, schema: required.contains(key.name) ? schema : schema.optional)
        }
        return Schema.object(nil, properties + nested).closed
    }
}
