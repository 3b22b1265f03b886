enum Key: Equatable {
    case up, down, pageUp, pageDown, home, end, escape
    /// Ctrl-C, which a terminal in raw mode sends as a byte.
    case interrupt
    case letter(Character)
}

/// Makes keys of the bytes that a terminal sends. The sequence of one key may come in parts.
struct TopKeys {
    private static let escape: UInt8 = 0x1B
    /// No key's sequence is longer; the rest of such a sequence is not for us.
    private static let longest = 32
    private var pending: [UInt8] = []

    /// Whether an Esc came that may begin a sequence. `settle` ends the doubt.
    var isUndecided: Bool { !pending.isEmpty }

    mutating func take(_ bytes: [UInt8]) -> [Key] {
        var keys: [Key] = []
        for byte in bytes {
            if pending.isEmpty {
                if byte == Self.escape { pending = [byte] } else if let key = Self.single(byte) { keys.append(key) }
            } else if pending.count == 1 {
                switch byte {
                case UInt8(ascii: "["), UInt8(ascii: "O"): pending.append(byte)
                case Self.escape: keys.append(.escape)
                default:
                    pending = []
                    keys.append(.escape)
                    if let key = Self.single(byte) { keys.append(key) }
                }
            } else if pending[1] == UInt8(ascii: "O") || (0x40...0x7E).contains(byte) {
                if let key = Self.sequence(parameters: pending.dropFirst(2), final: byte) { keys.append(key) }
                pending = []
            } else if byte == Self.escape || pending.count == Self.longest {
                pending = byte == Self.escape ? [byte] : []
            } else {
                pending.append(byte)
            }
        }
        return keys
    }

    /// To be called when nothing followed for a moment: an Esc alone is a key.
    mutating func settle() -> [Key] {
        defer { pending = [] }
        return pending == [Self.escape] ? [.escape] : []
    }

    private static func single(_ byte: UInt8) -> Key? {
        switch byte {
        case 3: .interrupt
        case 0x20...0x7E: .letter(Character(Unicode.Scalar(byte)))
        default: nil
        }
    }

    /// The final bytes of xterm's and VT220's keys; modifiers such as Shift do not matter.
    private static func sequence(parameters: ArraySlice<UInt8>, final: UInt8) -> Key? {
        switch final {
        case UInt8(ascii: "A"): return .up
        case UInt8(ascii: "B"): return .down
        case UInt8(ascii: "H"): return .home
        case UInt8(ascii: "F"): return .end
        case UInt8(ascii: "~"):
            switch String(decoding: parameters.prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self) {
            case "1", "7": return .home
            case "4", "8": return .end
            case "5": return .pageUp
            case "6": return .pageDown
            default: return nil
            }
        default: return nil
        }
    }
}
