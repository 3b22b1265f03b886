import Fleet

/// A record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg).
struct KernelMessage: Equatable {
    var sequence: UInt64
    /// Since the machine's start.
    var microseconds: UInt64
    var text: String
    /// As `DEVICE=` names it where the message was written for a device.
    var device: String?

    /// nil for what is no record, and for messages that programs wrote into the kernel's log: those prove nothing.
    init?(_ record: Substring) {
        guard let end = record.firstIndex(of: ";") else { return nil }
        let fields = record[..<end].split(separator: ",", omittingEmptySubsequences: false)
        // The facility is above the three bits of the level; the kernel's is 0.
        guard fields.count >= 4, let priority = UInt32(fields[0]), priority < 8, let sequence = UInt64(fields[1]), let microseconds = UInt64(fields[2])
        else { return nil }
        self.sequence = sequence
        self.microseconds = microseconds
        let lines = record[record.index(after: end)...].split(whereSeparator: \.isNewline)
        text = String(lines.first ?? "")
        let key = " DEVICE=+pci:"
        device = lines.dropFirst().first { $0.hasPrefix(key) }.flatMap { PCIAddress.find(in: $0.dropFirst(key.count)) }
    }

    /// The records of a text: each begins a line, and the lines that begin with a space belong to the one before.
    static func all(_ text: String) -> [KernelMessage] {
        var records: [Substring] = []
        var start = text.startIndex
        for index in text.utf8.indices where text.utf8[index] == UInt8(ascii: "\n") {
            let after = text.utf8.index(after: index)
            if after < text.endIndex, text.utf8[after] == UInt8(ascii: " ") { continue }
            records.append(text[start..<index])
            start = after
        }
        return (records + [text[start...]]).compactMap(KernelMessage.init)
    }

    /// What it says about a GPU; nil for any other message.
    var fault: (vendor: GPUVendor, kind: GPUFault.Kind)? {
        if text.hasPrefix("NVRM: ") {
            if text.contains("fallen off the bus") { return (.nvidia, .lost) }
            guard let xid = Self.xid(text) else { return nil }
            return Self.kind(ofXid: xid).map { (.nvidia, $0) }
        }
        if text.contains("amdgpu") {
            if text.contains("device lost from bus") || text.contains("GPU Recovery Failed") || text.contains("GPU reset end with ret") { return (.amd, .lost) }
            if text.contains("GPU reset begin") { return (.amd, .reset) }
            if text.contains("ring ") && text.contains(" timeout") { return (.amd, .jobKilled) }
        }
        if text.hasPrefix("i915 ") || text.hasPrefix("xe ") || text.hasPrefix("[drm] GPU HANG") {
            if text.contains(" as wedged") || text.contains("declaring wedged") { return (.intel, .lost) }
            if text.contains("GPU HANG") || text.contains("Timedout job") || text.contains("Engine reset") { return (.intel, .jobKilled) }
            if text.contains("Resetting chip") || text.contains("GT reset") { return (.intel, .reset) }
        }
        return nil
    }

    /// The number of `NVRM: Xid (PCI:0000:01:00): 31, …`.
    private static func xid(_ text: String) -> Int? {
        guard text.hasPrefix("NVRM: Xid "), let close = text.firstIndex(of: ")") else { return nil }
        return Int(text[close...].dropFirst().drop { $0 == ":" || $0 == " " }.prefix { $0.isNumber })
    }

    /// NVIDIA's "XID Errors" names the numbers. Those that only note something, such as a corrected error or a remapped row, cost no job.
    private static func kind(ofXid number: Int) -> GPUFault.Kind? {
        switch number {
        case 79: .lost
        case 63, 64, 66, 92, 154: nil
        default: .jobKilled
        }
    }

    /// Where on the bus the GPU is that it is about.
    var pci: String? { PCIAddress.find(in: text[...]) ?? device }
}

/// What the kernel said of a GPU that failed.
public struct GPUFault: Sendable, Equatable, Codable {
    /// What happened.
    public enum Kind: String, Sendable, Codable {
        /// The driver ended what ran on the GPU.
        case jobKilled
        /// The driver reset the GPU, and with it everything that ran there.
        case reset
        /// The GPU does not answer any more.
        case lost
    }

    /// The number of the kernel's message, which grows until the next boot.
    public var sequence: UInt64
    /// When, in milliseconds since 1970; it is reckoned from the time since boot, so a machine that was suspended is off by that.
    public var time: Int64
    /// Whose driver said so.
    public var vendor: GPUVendor
    /// The GPU's address on the PCI bus, such as `0000:01:00.0`, where the message has it.
    public var pci: String?
    public var kind: Kind
    /// The message, cut to 300 characters.
    public var message: String

    public init(sequence: UInt64, time: Int64, vendor: GPUVendor, pci: String?, kind: Kind, message: String) {
        self.sequence = sequence
        self.time = time
        self.vendor = vendor
        self.pci = pci
        self.kind = kind
        self.message = message
    }
}
