import Fleet

/// An entry of /proc/sys/fs/binfmt_misc (docs.kernel.org/admin-guide/binfmt-misc.html).
struct BinaryFormat: Equatable {
    var name: String
    var isEnabled: Bool
    var interpreter: String
    var flags: String
    /// What a file of the format begins with; nil where a file's extension tells.
    var magic: [UInt8]?

    /// - Throws: `Malformed`
    init(name: String, _ text: String) throws {
        self.name = name
        var interpreter: String?
        var extensionOnly = false
        (isEnabled, flags) = (false, "")
        for line in text.split(whereSeparator: \.isNewline) {
            let (word, rest) = Self.halves(line)
            switch word {
            case "enabled": isEnabled = true
            case "disabled": isEnabled = false
            case "interpreter": interpreter = String(rest)
            case "flags:": flags = String(rest)
            case "magic": magic = Self.bytes(rest)
            case "extension": extensionOnly = true
            default: break
            }
        }
        guard let interpreter, interpreter.hasPrefix("/") else { throw Malformed(reason: "it names no interpreter") }
        self.interpreter = interpreter
        if extensionOnly { magic = [] }
    }

    private static func halves(_ line: Substring) -> (Substring, Substring) {
        guard let space = line.firstIndex(of: " ") else { return (line, "") }
        return (line[..<space], line[space...].trimmed)
    }

    private static func bytes(_ hex: Substring) -> [UInt8]? {
        var (bytes, rest) = ([UInt8](), hex)
        while !rest.isEmpty {
            guard rest.count >= 2, let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }

    /// What it runs; nil for a format that is no machine code. The kernel goes by the magic, so that counts; without one, as in a part of the
    /// entry, the names that QEMU's packages give tell.
    var architecture: Architecture? {
        if let magic { return Self.architecture(ofELF: magic) }
        return Self.architecture(ofName: name)
            ?? Self.architecture(ofName: String(interpreter[(interpreter.lastIndex(of: "/") ?? interpreter.startIndex)...].dropFirst()))
    }

    /// `qemu-aarch64`, `qemu-aarch64-static`, and Debian's `aarch64-binfmt-P`.
    static func architecture(ofName name: String) -> Architecture? {
        var name = name[...]
        if name.hasPrefix("qemu-") { name = name.dropFirst(5) } else if !name.contains("-binfmt") { return nil }
        for end in ["-binfmt-P", "-binfmt", "-static"] where name.hasSuffix(end) { name = name.dropLast(end.count) }
        return Architecture(named: String(name))
    }

    /// By class, byte order and e_machine of elf(5).
    static func architecture(ofELF magic: [UInt8]) -> Architecture? {
        guard magic.count >= 20, magic.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else { return nil }
        let isLittle = magic[5] == 1
        let machine = isLittle ? Int(magic[18]) | Int(magic[19]) << 8 : Int(magic[18]) << 8 | Int(magic[19])
        switch (machine, magic[4], isLittle) {
        case (3, 1, true): return .i386
        case (21, 2, true): return .ppc64le
        case (22, 2, false): return .s390x
        case (40, 1, true): return .arm
        case (62, 2, true): return .amd64
        case (183, 2, true): return .arm64
        case (243, 2, true): return .riscv64
        case (258, 2, true): return .loong64
        default: return nil
        }
    }
}
