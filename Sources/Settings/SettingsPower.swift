import Fleet
import JSONSchema
import TOMLKit

/// How a host is woken and sent to sleep.
public struct PowerSettings: Sendable, Equatable {
    public enum Wake: Sendable, Equatable {
        /// By a packet to the network card with this address, if that is set to wake the machine.
        case lan(MACAddress)
        /// By a program with its arguments.
        case command([String])
    }

    public var wake: Wake
    /// A program with its arguments; nil where AutoGit sends the host nowhere.
    public var sleep: [String]?
    /// How long each of the commands may take.
    public var timeout: Duration
    /// Not a packet alone.
    var hasCommands: Bool { if case .command = wake { true } else { sleep != nil } }

    public init(wake: Wake, sleep: [String]? = nil, timeout: Duration) {
        self.wake = wake
        self.sleep = sleep
        self.timeout = timeout
    }
}

/// The hardware address of a network card (EUI-48).
public struct MACAddress: Sendable, Equatable, CustomStringConvertible {
    /// Six of them.
    public let bytes: [UInt8]

    /// nil for anything but six pairs of hexadecimal digits with colons or hyphens between them, and for addresses of groups.
    public init?(_ text: String) {
        let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" }
        let bytes = parts.compactMap { $0.count == 2 && $0.allSatisfy(\.isHexDigit) ? UInt8($0, radix: 16) : nil }
        guard parts.count == 6, bytes.count == 6, bytes[0] & 1 == 0, bytes.contains(where: { $0 != 0 }) else { return nil }
        self.bytes = bytes
    }

    /// As ip-link(8) writes it.
    public var description: String { bytes.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined(separator: ":") }
}

extension SettingsSchema {
    /// The table within `[[host]]`.
    static let powerSection = "power"

    /// The keys of `[host.power]`.
    static let power: [SettingKey<PowerDraft>] = [
        SettingKey(
            "wake", "the network card's address, or a command as for sleep",
            .any(of: [.string().adding("pattern", "^wol:([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$"), .array(of: .string()).adding("minItems", 1)]),
            example: .string("wol:00:11:22:33:44:55"),
            read: { reader, section, power in power.wake = reader.wake(section, "wake") },
            show: { $0.wake.map { $0.setting } ?? .none }),
        .strings("sleep", \.sleep, example: ["/usr/bin/ssh", "desktop1", "systemctl", "suspend"], "a program and its arguments"),
        .duration("idle", \.idle, atLeast: .seconds(60), "how long it has no runners before it is sent to sleep"),
        .duration("wake_time", \.wakeTime, atLeast: .seconds(1), "from the call until its engine answers"),
        .duration("timeout", \.timeout, atLeast: .seconds(1), "how long one of the commands may take"),
    ]
}

/// The section while it is read.
struct PowerDraft: Sendable {
    var wake: PowerSettings.Wake?
    var sleep: [String] = []
    var idle = Duration.seconds(1200)
    var wakeTime = Duration.seconds(120)
    var timeout = Duration.seconds(60)
}

extension PowerSettings.Wake {
    fileprivate var setting: SettingValue {
        switch self {
        case .lan(let address): .string("wol:\(address)")
        case .command(let command): .strings(command)
        }
    }
}

extension SettingsReader {
    fileprivate mutating func wake(_ section: Section, _ key: String) -> PowerSettings.Wake? {
        guard let text = section.table?[key]?.string else {
            guard let command = strings(section, key) else { return nil }
            return isCommand(command, section, key) ? .command(command) : nil
        }
        let prefix = "wol:"
        guard text.hasPrefix(prefix), let address = MACAddress(String(text.dropFirst(prefix.count))) else {
            fail(
                section, key, "\"\(text)\" is not valid; expected \"wol:\" and the address of one network card, for example wol:00:11:22:33:44:55, or a command"
            )
            return nil
        }
        return .lan(address)
    }

    private mutating func isCommand(_ command: [String], _ section: Section, _ key: String) -> Bool {
        if command.first?.hasPrefix("/") == true { return true }
        fail(section, key, "must begin with the absolute path of a program, for example [\"/usr/bin/ssh\", \"desktop1\", \"systemctl\", \"suspend\"]")
        return false
    }

    /// Of a host that has the section; what the planner goes by beside what is done.
    mutating func power(_ section: Section, of host: HostID) -> (HostPower, PowerSettings)? {
        func has(_ key: String) -> Bool { section.table?[key] != nil }
        guard section.table != nil else { return nil }
        var draft = PowerDraft()
        read(SettingsSchema.power, section, into: &draft)
        if host == .local {
            fail(section, nil, "has no effect on the host \"local\", on which AutoGit itself runs: remove it")
            return nil
        }
        if !has("wake") { fail(section, "wake", "is required, for example wake = \"wol:00:11:22:33:44:55\": who is sent to sleep has to be woken again") }
        let sleeps = !draft.sleep.isEmpty && isCommand(draft.sleep, section, "sleep")
        if !has("sleep"), has("idle") { fail(section, "idle", "has no effect without sleep, the command that sends the host to sleep: remove it, or set that") }
        if case .lan = draft.wake, !has("sleep"), has("timeout") { fail(section, "timeout", "has no effect without a command: remove it") }
        guard let wake = draft.wake else { return nil }
        return (
            HostPower(wakeTime: draft.wakeTime, idle: sleeps ? draft.idle : nil),
            PowerSettings(wake: wake, sleep: sleeps ? draft.sleep : nil, timeout: draft.timeout)
        )
    }
}
