import Fleet
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#endif

/// The time zones of the machine, as Debian's tzdata has them: one file each.
public struct ZoneFiles: Sendable {
    /// Their folder.
    public var folder = "/usr/share/zoneinfo"
    /// The machine's own, as a rule a link into the folder (localtime(5)).
    public var local = "/etc/localtime"

    /// Debian's places.
    public init() {}

    /// - Parameter name: such as `Europe/Berlin`.
    /// - Returns: nil for what is no name of a zone, or where the machine has no such file.
    public func rules(named name: String) -> TimeZoneRules? {
        let allowed = name.utf8.allSatisfy { byte in
            let character = Character(Unicode.Scalar(byte))
            return character.isASCII && (character.isLetter || character.isNumber || "/_+-".contains(character))
        }
        guard allowed, name.first?.isLetter == true else { return nil }
        if name == "UTC" { return .utc }
        return read("\(folder)/\(name)", name)
    }

    /// The machine's own zone; UTC where it says nothing, as it does in many containers.
    public func machine() -> TimeZoneRules {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink(local, &target, target.count)
        let path = String(decoding: target.prefix(max(0, length)).map(UInt8.init(bitPattern:)), as: UTF8.self)
        let name = path.range(of: "zoneinfo/").map { String(path[$0.upperBound...]) } ?? "localtime"
        return read(local, name) ?? .utc
    }

    private func read(_ path: String, _ name: String) -> TimeZoneRules? {
        // The largest of the tz database has less than 4 KiB.
        guard let file = try? Data(contentsOf: URL(filePath: path)), file.count <= 1 << 20 else { return nil }
        return TimeZoneRules(name: name, file: Array(file))
    }
}
