import Fleet
import FoundationEssentials
import Glibc
import JSONSchema
import TOMLKit

extension SettingsSchema {
    /// The section that is there once for each target.
    static let notifySection = "notify"

    /// The keys of `[[notify]]`.
    public static let notify: [SettingKey<NotifyDraft>] = [
        .string("name", \.name, example: .string("phone"), "for autogitctl notify test; absent: the kind, with a number where there are several") {
            (1...63).contains($0.count) && $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
                ? nil : "\"\($0)\" is not a valid name: use 1 to 63 letters, digits, and - _ ."
        },
        .parsed(
            "kind", optional: \.kind, example: "ntfy", .word(of: NotifyTarget.Kind.self), "or \"webhook\", or \"command\"",
            hint: "expected \"ntfy\", \"webhook\" or \"command\"",
            parse: NotifyTarget.Kind.init(rawValue:), print: \.rawValue),
        SettingKey(
            "url", "where to POST to, for ntfy with the topic", .string().matching("^https?://."), example: .string("https://ntfy.sh/my-secret-topic"),
            read: { reader, section, target in
                guard let text = reader.string(section, "url") else { return }
                // The text itself may be a secret.
                guard isNotifyURL(text) else {
                    return reader.fail(section, "url", "is not a valid URL, for example https://ntfy.sh/TOPIC; a user and password have no place in it")
                }
                target.url = Secret(text)
            }, show: { _ in .none }),
        .strings("command", \.command, example: ["/usr/local/bin/tell-me"], "for kind = \"command\": the program and its arguments") {
            $0.contains("\0") ? "must not contain a zero byte" : nil
        },
        .strings("on", \.on, of: .word(of: NotifyTarget.topics), "what is told; by default all of it") {
            NotifyTarget.topics.contains($0) ? nil : "\"\($0)\" is not known; known are \(NotifyTarget.topics.joined(separator: ", "))"
        },
        .secret("token_file", \.token, example: "/srv/autogit/ntfy-token", "a file with a bearer token"),
        .secret("secret_file", \.secret, example: "/srv/autogit/notify-secret", "for kind = \"webhook\": a file with the secret that signs"),
        .file("ca_file", \.caFile, example: "/etc/ssl/certs/ca-certificates.crt", "CA certificates in place of the system's") {
            access($0, R_OK) == 0 ? nil : "\($0) cannot be read: \(String(cString: strerror(errno)))"
        },
        .parsed(
            "rate", \.rate, .string().matching(#"^\s*[0-9]+\s*/\s*[mhd]\s*$"#), "the most that are sent in a minute (m), hour (h) or day (d)",
            hint: "expected a number, a slash, and m, h or d, for example 10/h",
            parse: NotifyTarget.Rate.init, print: \.description),
        .duration("waiting_after", \.waitingAfter, "how long a job waits, with nothing that serves it, before it is told"),
        .duration("settle", \.settle, "how long other troubles last before they are told, and are over before that is"),
        .duration("timeout", \.timeout, atLeast: .seconds(1), "how long one try may take"),
    ]

    private static func isNotifyURL(_ text: String) -> Bool {
        guard let url = URL(string: text), let host = url.host(), !host.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return false }
        return (url.scheme == "http" || url.scheme == "https") && url.user() == nil
    }

    /// Keys that do nothing with the other kinds.
    fileprivate static let notifyKeys: [(key: String, kinds: [NotifyTarget.Kind])] = [
        ("url", [.ntfy, .webhook]), ("command", [.command]), ("token_file", [.ntfy, .webhook]), ("secret_file", [.webhook]), ("ca_file", [.ntfy, .webhook]),
    ]
}

/// A target while it is read.
public struct NotifyDraft: Sendable {
    var name: String?
    var kind: NotifyTarget.Kind?
    var url: Secret?
    var command: [String] = []
    var on = NotifyTarget.topics
    var token: Secret?
    var secret: Secret?
    var caFile: String?
    var rate = NotifyTarget(name: "", kind: .ntfy).rate
    var waitingAfter = NotifyTarget(name: "", kind: .ntfy).waitingAfter
    var settle = NotifyTarget(name: "", kind: .ntfy).settle
    var timeout = NotifyTarget(name: "", kind: .ntfy).timeout

    init() {}
}

/// Who is told of troubles.
extension SettingsReader {
    mutating func notifyTargets(_ root: TOMLTable) -> [NotifyTarget] {
        let name = SettingsSchema.notifySection
        guard let value = root[name] else { return [] }
        guard let array = value.array else {
            fail(Section(name: name), nil, "expected a section [[notify]], with two brackets")
            return []
        }
        var targets: [NotifyTarget] = []
        for (index, entry) in array.enumerated() {
            let section = Section(name: name, index: index, table: entry.table)
            guard section.table != nil else {
                fail(section, nil, "expected sections [[notify]]")
                continue
            }
            var draft = NotifyDraft()
            read(SettingsSchema.notify, section, into: &draft)
            if let target = target(draft, section, besides: targets) { targets.append(target) }
        }
        return targets
    }

    private mutating func target(_ draft: NotifyDraft, _ section: Section, besides others: [NotifyTarget]) -> NotifyTarget? {
        func has(_ key: String) -> Bool { section.table?[key] != nil }
        guard let kind = draft.kind else {
            if !has("kind") { fail(section, "kind", "is required: \"ntfy\", \"webhook\" or \"command\"") }
            return nil
        }
        for (key, kinds) in SettingsSchema.notifyKeys where has(key) && !kinds.contains(kind) {
            fail(section, key, "has no effect with kind = \"\(kind.rawValue)\": remove it")
        }
        if kind == .command {
            if !has("command") { fail(section, "command", "is required with kind = \"command\": for example [\"/usr/local/bin/tell-me\"]") }
            if section.table?["command"]?.array != nil, draft.command.first?.hasPrefix("/") != true {
                fail(section, "command", "must begin with the absolute path of a program")
            }
        } else if !has("url") {
            fail(section, "url", "is required with kind = \"\(kind.rawValue)\"")
        }
        if kind == .ntfy, let url = draft.url?.reveal(), (URL(string: url)?.path() ?? "").allSatisfy({ $0 == "/" }) {
            fail(section, "url", "lacks the topic, for example https://ntfy.sh/TOPIC")
        }
        if !draft.on.contains(where: { $0 != NotifyTarget.recovered }) {
            fail(section, "on", "names nothing that could be told: add one of \(ConcernKind.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        if let name = draft.name, others.contains(where: { $0.name == name }) {
            fail(section, "name", "two targets have the name \"\(name)\"; give each its own")
        }
        var target = NotifyTarget(name: draft.name ?? Self.freeName(kind.rawValue, besides: others.map(\.name)), kind: kind)
        target.url = draft.url
        target.command = draft.command
        target.on = draft.on
        target.token = draft.token
        target.secret = draft.secret
        target.caFile = draft.caFile
        target.rate = draft.rate
        target.waitingAfter = draft.waitingAfter
        target.settle = draft.settle
        target.timeout = draft.timeout
        return target
    }

    /// `ntfy`, then `ntfy-2`.
    private static func freeName(_ kind: String, besides names: [String]) -> String {
        var (name, number) = (kind, 1)
        while names.contains(name) {
            number += 1
            name = "\(kind)-\(number)"
        }
        return name
    }
}
