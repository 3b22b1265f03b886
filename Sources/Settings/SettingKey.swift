import Fleet
import JSONSchema

/// A value of the configuration, with the type that its key has in the file.
public enum SettingValue: Sendable, Equatable {
    case string(String)
    case strings([String])
    case flag(Bool)
    case count(Int)
    case number(Double)
    /// Bytes.
    case size(Int64)
    case duration(Duration)
    /// A table; its values may be secrets.
    case table([String: String])
    /// A table of numbers.
    case counts([String: Int])
    /// Not set.
    case none

    /// As the file writes it, such as `"2GiB"` with its quotes.
    public var toml: String {
        switch self {
        case .string(let text): Self.quoted(text)
        case .strings(let texts): "[\(texts.map(Self.quoted).joined(separator: ", "))]"
        case .flag(let value): "\(value)"
        case .count(let value): "\(value)"
        case .number(let value): "\(value)"
        case .size(let bytes): Self.quoted(Units.text(bytes: bytes))
        case .duration(let time): Self.quoted(Units.text(time))
        case .table(let entries): "{ \(entries.sorted { $0.key < $1.key }.map { "\($0.key) = \(Self.quoted($0.value))" }.joined(separator: ", ")) }"
        case .counts(let entries): "{ \(entries.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)" }.joined(separator: ", ")) }"
        case .none: "\"\""
        }
    }

    /// The same as JSON, into which the readers of schemas turn TOML; nil for `none`.
    var json: JSONValue? {
        switch self {
        case .string(let text): .string(text)
        case .strings(let texts): .array(texts.map(JSONValue.string))
        case .flag(let value): .flag(value)
        case .count(let value): .integer(Int64(value))
        case .number(let value): .number(value)
        case .size(let bytes): .string(Units.text(bytes: bytes))
        case .duration(let time): .string(Units.text(time))
        case .table(let entries): .object(entries.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })
        case .counts(let entries): .object(entries.sorted { $0.key < $1.key }.map { .init($0.key, .integer(Int64($0.value))) })
        case .none: nil
        }
    }

    private static func quoted(_ text: String) -> String {
        let escaped = text.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] }
        return "\"\(String(escaped))\""
    }
}

/// What a key of `[[pool]]` is about, and does nothing without.
public enum PoolNeed: Sendable {
    /// The container that a runner is.
    case runnerContainer
    /// The container that a job runs in, its runner's or its own.
    case jobContainer

    /// Whether the pool's runners or jobs have such a container.
    public func isMet(by pool: Pool) -> Bool {
        switch self {
        case .runnerContainer: pool.driver == .container
        case .jobContainer: pool.driver == .container || pool.executor == .docker
        }
    }
}

/// One key of the configuration file. All that AutoGit knows about a key is in its entry in `SettingsSchema`: how it is read and
/// checked, where the value goes, and its line in the example configuration. A new key needs that entry, its property, and a
/// paragraph in autogit.toml(5), which a test asks for.
public struct SettingKey<Target>: Sendable {
    /// As the file has it.
    public let name: String
    /// One line for people.
    public let summary: String
    /// What a pool must have for this key to have an effect; nil for nothing.
    public let need: PoolNeed?
    /// What an editor takes for a value; without description, default and example.
    let schema: Schema
    /// For the example configuration, where the default says nothing.
    let example: SettingValue?
    let read: @Sendable (inout SettingsReader, Section, inout Target) -> Void
    let show: @Sendable (Target) -> SettingValue

    /// The value of this key in a configuration that was read; for a secret, `none`.
    public func value(in target: Target) -> SettingValue { show(target) }

    /// The same key with another way to show its value.
    public func showing(_ show: @escaping @Sendable (Target) -> SettingValue) -> SettingKey {
        SettingKey(name, summary, schema, need: need, example: example, read: read, show: show)
    }

    /// Its line in the example configuration, commented out: with the default, or an example where there is none.
    func exampleLine(defaults: Target) -> String {
        let setting = "#\(name) = \((example ?? show(defaults)).toml)"
        return setting + String(repeating: " ", count: max(1, 56 - setting.count)) + "# \(summary)"
    }

    init(
        _ name: String, _ summary: String, _ schema: Schema, need: PoolNeed? = nil, example: SettingValue? = nil,
        read: @escaping @Sendable (inout SettingsReader, Section, inout Target) -> Void, show: @escaping @Sendable (Target) -> SettingValue
    ) {
        self.name = name
        self.summary = summary
        self.schema = schema
        self.need = need
        self.example = example
        self.read = read
        self.show = show
    }
}

/// A place in a section's target.
typealias Place<Target, Value> = WritableKeyPath<Target, Value> & Sendable

extension Schema {
    /// The same where a key has one.
    fileprivate func matching(_ pattern: String?) -> Schema { adding("pattern", pattern.map(JSONValue.string)) }
    /// See `SettingsReader.number`.
    fileprivate static let measure = Schema.number().adding("exclusiveMinimum", 0).adding("maximum", 4096)
    /// One of the words of a type.
    static func word<Word: RawRepresentable & CaseIterable>(of type: Word.Type) -> Schema where Word.RawValue == String {
        .word(of: type.allCases.map(\.rawValue))
    }
}

extension SettingKey {
    /// - Parameters:
    ///   - pattern: what an editor knows of the check, a regular expression that fits every text that passes it.
    ///   - check: returns what is wrong with the text; nil when nothing is.
    static func string(
        _ name: String, _ place: Place<Target, String>, need: PoolNeed? = nil, example: SettingValue? = nil, pattern: String? = nil, _ summary: String,
        check: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> Self {
        Self(
            name, summary, .string().matching(pattern), need: need, example: example,
            read: { reader, section, target in
                guard let text = reader.string(section, name) else { return }
                if let complaint = check(text) { reader.fail(section, name, complaint) }
                target[keyPath: place] = text
            }, show: { .string($0[keyPath: place]) })
    }

    static func string(
        _ name: String, _ place: Place<Target, String?>, need: PoolNeed? = nil, example: SettingValue? = nil, pattern: String? = nil, _ summary: String,
        check: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> Self {
        Self(
            name, summary, .string().matching(pattern), need: need, example: example,
            read: { reader, section, target in
                guard let text = reader.string(section, name) else { return }
                if let complaint = check(text) { reader.fail(section, name, complaint) } else { target[keyPath: place] = text }
            }, show: { $0[keyPath: place].map(SettingValue.string) ?? .none })
    }

    /// A string with a meaning of its own.
    /// - Parameters:
    ///   - schema: what an editor knows of it.
    ///   - hint: what is expected, for the message when `parse` returns nil.
    static func parsed<Value>(
        _ name: String, _ place: Place<Target, Value>, need: PoolNeed? = nil, _ schema: Schema, _ summary: String, hint: String,
        parse: @escaping @Sendable (String) -> Value?, print: @escaping @Sendable (Value) -> String
    ) -> Self {
        Self(
            name, summary, schema, need: need,
            read: { reader, section, target in
                guard let text = reader.string(section, name) else { return }
                if let value = parse(text) { target[keyPath: place] = value } else { reader.fail(section, name, "\"\(text)\" is not valid; \(hint)") }
            }, show: { .string(print($0[keyPath: place])) })
    }

    /// The same for what need not be set.
    static func parsed<Value>(
        _ name: String, optional place: Place<Target, Value?>, example: String, _ schema: Schema, _ summary: String, hint: String,
        parse: @escaping @Sendable (String) -> Value?, print: @escaping @Sendable (Value) -> String
    ) -> Self {
        Self(
            name, summary, schema, example: .string(example),
            read: { reader, section, target in
                guard let text = reader.string(section, name) else { return }
                if let value = parse(text) { target[keyPath: place] = value } else { reader.fail(section, name, "\"\(text)\" is not valid; \(hint)") }
            }, show: { $0[keyPath: place].map { .string(print($0)) } ?? .none })
    }

    /// - Parameters:
    ///   - items: what an editor knows of each.
    ///   - check: returns what is wrong with one of the texts; nil when nothing is.
    static func strings(
        _ name: String, _ place: Place<Target, [String]>, need: PoolNeed? = nil, example: [String]? = nil, of items: Schema = .string(), _ summary: String,
        check: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> Self {
        Self(
            name, summary, .array(of: items), need: need, example: example.map(SettingValue.strings),
            read: { reader, section, target in
                guard let texts = reader.strings(section, name) else { return }
                for complaint in texts.compactMap(check) { reader.fail(section, name, complaint) }
                target[keyPath: place] = texts
            }, show: { .strings($0[keyPath: place]) })
    }

    static func flag(_ name: String, _ place: Place<Target, Bool>, need: PoolNeed? = nil, _ summary: String) -> Self {
        Self(
            name, summary, .flag(), need: need,
            read: { reader, section, target in if let value = reader.bool(section, name) { target[keyPath: place] = value } },
            show: { .flag($0[keyPath: place]) })
    }

    static func count(_ name: String, _ place: Place<Target, Int>, in range: ClosedRange<Int>, _ summary: String) -> Self {
        Self(
            name, summary, .integer().from(Int64(range.lowerBound), to: Int64(range.upperBound)),
            read: { reader, section, target in if let value = reader.count(section, name, in: range) { target[keyPath: place] = value } },
            show: { .count($0[keyPath: place]) })
    }

    static func count(_ name: String, _ place: Place<Target, Int?>, in range: ClosedRange<Int>, example: Int, _ summary: String) -> Self {
        Self(
            name, summary, .integer().from(Int64(range.lowerBound), to: Int64(range.upperBound)), example: .count(example),
            read: { reader, section, target in if let value = reader.count(section, name, in: range) { target[keyPath: place] = value } },
            show: { $0[keyPath: place].map(SettingValue.count) ?? .none })
    }

    /// More than 0 and at most 4096, a fraction allowed.
    static func number(_ name: String, _ place: Place<Target, Double>, _ summary: String) -> Self {
        Self(
            name, summary, .measure, read: { reader, section, target in if let value = reader.number(section, name) { target[keyPath: place] = value } },
            show: { .number($0[keyPath: place]) })
    }

    static func number(_ name: String, _ place: Place<Target, Double?>, example: Double, _ summary: String) -> Self {
        Self(
            name, summary, .measure, example: .number(example),
            read: { reader, section, target in if let value = reader.number(section, name) { target[keyPath: place] = value } },
            show: { $0[keyPath: place].map(SettingValue.number) ?? .none })
    }

    /// - Parameter least: in bytes.
    /// - Parameter none: whether "none" is a value, too, which is kept as zero.
    static func size(_ name: String, _ place: Place<Target, Int64>, atLeast least: Int64, orNone none: Bool = false, _ summary: String) -> Self {
        Self(
            name, summary, .string().matching(Units.sizePattern(orNone: none)),
            read: { reader, section, target in
                if let value = reader.size(section, name, atLeast: least, orNone: none) { target[keyPath: place] = value }
            },
            show: { none && $0[keyPath: place] == 0 ? .string("none") : .size($0[keyPath: place]) })
    }

    /// - Parameter least: in bytes.
    static func size(
        _ name: String, _ place: Place<Target, Int64?>, need: PoolNeed? = nil, atLeast least: Int64 = 1, example: Int64, _ summary: String
    ) -> Self {
        Self(
            name, summary, .string().matching(Units.sizePattern()), need: need, example: .size(example),
            read: { reader, section, target in if let value = reader.size(section, name, atLeast: least) { target[keyPath: place] = value } },
            show: { $0[keyPath: place].map(SettingValue.size) ?? .none })
    }

    /// - Parameter zero: what zero does, where it is allowed beside times from `least` on.
    static func duration(
        _ name: String, _ place: Place<Target, Duration>, atLeast least: Duration = .zero, zero: String? = nil, _ summary: String
    ) -> Self {
        Self(
            name, summary, .string().matching(Units.durationPattern),
            read: { reader, section, target in
                guard let value = reader.duration(section, name) else { return }
                if value < least && (value > .zero || zero == nil) {
                    reader.fail(section, name, "must be at least \(Units.text(least))\(zero.map { ", or 0 to \($0)" } ?? "")")
                } else {
                    target[keyPath: place] = value
                }
            }, show: { .duration($0[keyPath: place]) })
    }

    /// - Parameters:
    ///   - names: those that it may have; nil for any.
    ///   - check: returns what is wrong with one of the table's keys; nil when nothing is.
    static func table(
        _ name: String, _ place: Place<Target, [String: String]>, example: [String: String], names: [String]? = nil, _ summary: String,
        check: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> Self {
        Self(
            name, summary, names.map { .object(nil, $0.map { ($0, Schema.string().optional) }).closed } ?? .map(of: .string()), example: .table(example),
            read: { reader, section, target in
                guard let value = reader.table(section, name) else { return }
                for complaint in value.keys.sorted().compactMap(check) { reader.fail(section, name, complaint) }
                target[keyPath: place] = value
            }, show: { .table($0[keyPath: place]) })
    }

    /// A file with a secret.
    /// - Parameter credential: the systemd credential that is used when the key is absent.
    static func secret(_ name: String, _ place: Place<Target, Secret?>, credential: String? = nil, example: String, _ summary: String) -> Self {
        Self(
            name, summary, .string().adding("minLength", 1), example: .string(example),
            read: { reader, section, target in target[keyPath: place] = reader.secret(section, name, credential: credential) }, show: { _ in .none })
    }
}
