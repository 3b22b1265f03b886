import Fleet

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
        case .none: "\"\""
        }
    }

    private static func quoted(_ text: String) -> String {
        let escaped = text.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] }
        return "\"\(String(escaped))\""
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
    /// The only driver whose pools take this key; nil for all.
    public let driver: DriverKind?
    /// For the example configuration, where the default says nothing.
    let example: SettingValue?
    let read: @Sendable (inout SettingsReader, Section, inout Target) -> Void
    let show: @Sendable (Target) -> SettingValue

    /// The value of this key in a configuration that was read; for a secret, `none`.
    public func value(in target: Target) -> SettingValue { show(target) }

    /// The same key with another way to show its value.
    public func showing(_ show: @escaping @Sendable (Target) -> SettingValue) -> SettingKey {
        SettingKey(name, summary, driver: driver, example: example, read: read, show: show)
    }

    /// Its line in the example configuration, commented out: with the default, or an example where there is none.
    func exampleLine(defaults: Target) -> String {
        let setting = "#\(name) = \((example ?? show(defaults)).toml)"
        return setting + String(repeating: " ", count: max(1, 56 - setting.count)) + "# \(summary)"
    }

    init(
        _ name: String, _ summary: String, driver: DriverKind? = nil, example: SettingValue? = nil,
        read: @escaping @Sendable (inout SettingsReader, Section, inout Target) -> Void, show: @escaping @Sendable (Target) -> SettingValue
    ) {
        self.name = name
        self.summary = summary
        self.driver = driver
        self.example = example
        self.read = read
        self.show = show
    }
}

/// A place in a section's target.
typealias Place<Target, Value> = WritableKeyPath<Target, Value> & Sendable

extension SettingKey {
    /// - Parameter check: returns what is wrong with the text; nil when nothing is.
    static func string(
        _ name: String, _ place: Place<Target, String>, driver: DriverKind? = nil, example: SettingValue? = nil, _ summary: String,
        check: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> Self {
        Self(
            name, summary, driver: driver, example: example,
            read: { reader, section, target in
                guard let text = reader.string(section, name) else { return }
                if let complaint = check(text) { reader.fail(section, name, complaint) }
                target[keyPath: place] = text
            }, show: { .string($0[keyPath: place]) })
    }

    static func string(
        _ name: String, _ place: Place<Target, String?>, driver: DriverKind? = nil, example: SettingValue? = nil, _ summary: String,
        check: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> Self {
        Self(
            name, summary, driver: driver, example: example,
            read: { reader, section, target in
                guard let text = reader.string(section, name) else { return }
                if let complaint = check(text) { reader.fail(section, name, complaint) } else { target[keyPath: place] = text }
            }, show: { $0[keyPath: place].map(SettingValue.string) ?? .none })
    }

    /// A string with a meaning of its own.
    /// - Parameter hint: what is expected, for the message when `parse` returns nil.
    static func parsed<Value>(
        _ name: String, _ place: Place<Target, Value>, driver: DriverKind? = nil, _ summary: String, hint: String,
        parse: @escaping @Sendable (String) -> Value?, print: @escaping @Sendable (Value) -> String
    ) -> Self {
        Self(
            name, summary, driver: driver,
            read: { reader, section, target in
                guard let text = reader.string(section, name) else { return }
                if let value = parse(text) { target[keyPath: place] = value } else { reader.fail(section, name, "\"\(text)\" is not valid; \(hint)") }
            }, show: { .string(print($0[keyPath: place])) })
    }

    /// - Parameter check: returns what is wrong with one of the texts; nil when nothing is.
    static func strings(
        _ name: String, _ place: Place<Target, [String]>, driver: DriverKind? = nil, example: [String]? = nil, _ summary: String,
        check: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> Self {
        Self(
            name, summary, driver: driver, example: example.map(SettingValue.strings),
            read: { reader, section, target in
                guard let texts = reader.strings(section, name) else { return }
                for complaint in texts.compactMap(check) { reader.fail(section, name, complaint) }
                target[keyPath: place] = texts
            }, show: { .strings($0[keyPath: place]) })
    }

    static func flag(_ name: String, _ place: Place<Target, Bool>, driver: DriverKind? = nil, _ summary: String) -> Self {
        Self(
            name, summary, driver: driver, read: { reader, section, target in if let value = reader.bool(section, name) { target[keyPath: place] = value } },
            show: { .flag($0[keyPath: place]) })
    }

    static func count(_ name: String, _ place: Place<Target, Int>, in range: ClosedRange<Int>, _ summary: String) -> Self {
        Self(
            name, summary,
            read: { reader, section, target in if let value = reader.count(section, name, in: range) { target[keyPath: place] = value } },
            show: { .count($0[keyPath: place]) })
    }

    /// More than 0 and at most 4096, a fraction allowed.
    static func number(_ name: String, _ place: Place<Target, Double>, _ summary: String) -> Self {
        Self(
            name, summary, read: { reader, section, target in if let value = reader.number(section, name) { target[keyPath: place] = value } },
            show: { .number($0[keyPath: place]) })
    }

    static func number(_ name: String, _ place: Place<Target, Double?>, example: Double, _ summary: String) -> Self {
        Self(
            name, summary, example: .number(example),
            read: { reader, section, target in if let value = reader.number(section, name) { target[keyPath: place] = value } },
            show: { $0[keyPath: place].map(SettingValue.number) ?? .none })
    }

    /// - Parameter least: in bytes.
    static func size(_ name: String, _ place: Place<Target, Int64>, atLeast least: Int64, _ summary: String) -> Self {
        Self(
            name, summary,
            read: { reader, section, target in if let value = reader.size(section, name, atLeast: least) { target[keyPath: place] = value } },
            show: { .size($0[keyPath: place]) })
    }

    static func size(_ name: String, _ place: Place<Target, Int64?>, driver: DriverKind? = nil, example: Int64, _ summary: String) -> Self {
        Self(
            name, summary, driver: driver, example: .size(example),
            read: { reader, section, target in if let value = reader.size(section, name, atLeast: 1) { target[keyPath: place] = value } },
            show: { $0[keyPath: place].map(SettingValue.size) ?? .none })
    }

    /// - Parameter zero: what zero does, where it is allowed beside times from `least` on.
    static func duration(
        _ name: String, _ place: Place<Target, Duration>, atLeast least: Duration = .zero, zero: String? = nil, _ summary: String
    ) -> Self {
        Self(
            name, summary,
            read: { reader, section, target in
                guard let value = reader.duration(section, name) else { return }
                if value < least && (value > .zero || zero == nil) {
                    reader.fail(section, name, "must be at least \(Units.text(least))\(zero.map { ", or 0 to \($0)" } ?? "")")
                } else {
                    target[keyPath: place] = value
                }
            }, show: { .duration($0[keyPath: place]) })
    }

    /// - Parameter check: returns what is wrong with one of the table's keys; nil when nothing is.
    static func table(
        _ name: String, _ place: Place<Target, [String: String]>, example: [String: String], _ summary: String,
        check: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> Self {
        Self(
            name, summary, example: .table(example),
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
            name, summary, example: .string(example),
            read: { reader, section, target in target[keyPath: place] = reader.secret(section, name, credential: credential) }, show: { _ in .none })
    }
}
