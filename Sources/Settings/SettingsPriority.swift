import Fleet
import JSONSchema
import TOMLKit

extension SettingsSchema {
    /// The section that is there once for each rule.
    static let prioritySection = "priority"

    /// The keys of `[[priority]]`.
    public static let priority: [SettingKey<PriorityDraft>] = [
        .string("project", \.project, example: .string("shop/*"), "what the project's path looks like; * is any text, ? one character") {
            $0.isEmpty ? "must not be empty" : nil
        },
        .string("ref", \.ref, example: .string("main"), "what the branch or tag looks like") { $0.isEmpty ? "must not be empty" : nil },
        .string("job", \.job, example: .string("deploy*"), "what the job's name looks like") { $0.isEmpty ? "must not be empty" : nil },
        .count("value", \.value, in: -1000...1000, "the greater, the earlier; without a rule a job has its pool's priority"),
    ]
}

/// A rule while it is read.
public struct PriorityDraft: Sendable {
    var project: String?
    var ref: String?
    var job: String?
    var value = 0

    init() {}
}

extension SettingsReader {
    mutating func priorities(_ root: TOMLTable) -> [PriorityRule] {
        let name = SettingsSchema.prioritySection
        guard let value = root[name] else { return [] }
        guard let array = value.array else {
            fail(Section(name: name), nil, "expected a section [[priority]], with two brackets")
            return []
        }
        var rules: [PriorityRule] = []
        for (index, entry) in array.enumerated() {
            let section = Section(name: name, index: index, table: entry.table)
            guard section.table != nil else {
                fail(section, nil, "expected sections [[priority]]")
                continue
            }
            var draft = PriorityDraft()
            read(SettingsSchema.priority, section, into: &draft)
            if section.table?["value"] == nil { fail(section, "value", "is required: a number from -1000 to 1000") }
            if draft.project == nil, draft.ref == nil, draft.job == nil, index < array.count - 1 {
                fail(section, nil, "fits every job, so that the rules after it have no effect: give it project, ref or job, or put it last")
            }
            rules.append(PriorityRule(project: draft.project, ref: draft.ref, job: draft.job, priority: draft.value))
        }
        return rules
    }
}
