import FoundationEssentials

/// What `autogitctl doctor` says of one thing that it looked at.
public struct Finding: Sendable, Equatable, Codable {
    /// How bad it is.
    public enum Level: String, Sendable, Codable {
        case ok
        /// Works now, or can't be told.
        case warning
        /// Jobs don't run because of it, or runners will end.
        case fault
    }

    /// What it is about, a word for programs: `engine`, `token-scopes`.
    public var check: String
    public var level: Level
    /// What was seen, in a sentence or two.
    public var seen: String
    /// The next step, in words, when there is one.
    public var advice: String?
    /// The one command that mends it, for a shell as root; it may have words in capitals, which the operator replaces.
    public var command: String?
    /// Whether `--fix` may run the command, which needs no word replaced and takes nothing from anybody.
    public var isFixable: Bool

    /// - Parameter fixable: `--fix` may run the command.
    public init(_ check: String, _ level: Level, _ seen: String, advice: String? = nil, command: String? = nil, fixable: Bool = false) {
        self.check = check
        self.level = level
        self.seen = seen
        self.advice = advice
        self.command = command
        isFixable = fixable
    }

    static func ok(_ check: String, _ seen: String) -> Finding { Finding(check, .ok, seen) }

    /// Nobody could look.
    static func unseen(_ check: String, _ reason: String) -> Finding { Finding(check, .warning, "could not be checked: \(reason)") }

    enum CodingKeys: String, CodingKey {
        case check, level, seen, advice, command
        case isFixable = "fixable"
    }
}

/// All findings, in the order in which one reads them: what the rest depends on comes first.
public struct Diagnosis: Sendable, Equatable, Encodable {
    public var findings: [Finding]
    public var faults: Int { findings.count { $0.level == .fault } }
    public var warnings: Int { findings.count { $0.level == .warning } }

    public init(_ findings: [Finding]) { self.findings = findings }

    /// 0 all well, 1 warnings, 2 faults.
    public var exitStatus: Int32 { faults > 0 ? 2 : warnings > 0 ? 1 : 0 }

    enum CodingKeys: String, CodingKey {
        case findings, faults, warnings
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(findings, forKey: .findings)
        try container.encode(faults, forKey: .faults)
        try container.encode(warnings, forKey: .warnings)
    }

    /// For people: one entry each, with its command on a line of its own, which can be copied whole.
    public var text: String {
        let width = findings.map(\.check.count).max() ?? 0
        let margin = String(repeating: " ", count: width + 4)
        var lines: [String] = []
        for finding in findings {
            let mark = finding.level == .ok ? "✓" : finding.level == .warning ? "!" : "✗"
            let name = finding.check + String(repeating: " ", count: width - finding.check.count)
            lines.append("\(mark) \(name)  \(Self.onOneLine(finding.seen))")
            if let advice = finding.advice { lines.append(margin + Self.onOneLine(advice)) }
            if let command = finding.command { lines.append("\(margin)→ \(Self.onOneLine(command))") }
        }
        lines.append(summary)
        return lines.joined(separator: "\n") + "\n"
    }

    private var summary: String {
        func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }
        if faults + warnings == 0 { return "all \(findings.count) checks are well" }
        return [(faults, "fault"), (warnings, "warning")].filter { $0.0 > 0 }.map(count).joined(separator: ", ") + " in \(count(findings.count, "check"))"
    }

    /// What others wrote must not control the terminal.
    static func onOneLine(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .lineSeparator, .paragraphSeparator: " "
                    case .format, .surrogate: "\u{FFFD}"
                    default: scalar
                    }
                }))
    }
}
