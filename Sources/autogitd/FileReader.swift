import Glibc
import HostTools
import Settings
import Systemd

/// What autogit.service may read, for `--check`: root, who runs that as a rule, may read everything. It goes by owners and modes, and knows no ACLs.
struct FileReader: Equatable {
    let user: UserRecord
    /// The user's, and those that the unit adds.
    let groups: Set<UInt32>

    /// - Returns: nil where it can't be found out.
    static func ofUnit(_ user: UserRecord) async -> FileReader? {
        let machine = ThisMachine()
        guard let ids = (await machine.run(["id", "-G", "--", user.name])).output,
            let shown = (await machine.run(["systemctl", "show", "--no-pager", "-p", "Group,SupplementaryGroups", "autogit.service"])).output
        else { return nil }
        let names = groupNames(inUnit: shown)
        var listed = ""
        // It fails when one of them is missing, and lists the others all the same.
        if !names.isEmpty, case .ended(_, let output, _) = await machine.run(["getent", "group"] + names) { listed = output }
        let own = ids.split(whereSeparator: \.isWhitespace).compactMap { UInt32($0) }
        return FileReader(user: user, groups: Set(own).union(numbers(ofGroups: listed)))
    }

    /// - Parameter shown: lines of `systemctl show` that are lists of groups.
    static func groupNames(inUnit shown: String) -> [String] {
        shown.split(separator: "\n").flatMap { line in
            line.split(separator: "=", maxSplits: 1).dropFirst().flatMap { $0.split(separator: " ").map(String.init) }
        }
    }

    /// - Parameter listed: lines of group(5).
    static func numbers(ofGroups listed: String) -> [UInt32] {
        listed.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: ":", omittingEmptySubsequences: false)
            return parts.count > 2 ? UInt32(parts[2]) : nil
        }
    }

    /// For each file that the service can't read.
    func warnings(for files: [ServiceFile]) -> [String] {
        // Root's rights are another matter.
        if user.uid == 0 { return [] }
        var seen: Set<String> = []
        return files.filter { seen.insert($0.path).inserted }.compactMap { file in
            obstacle(to: file.path).map { remedy in
                "autogit.service runs as the user \(user.name), who cannot read \(file.path) (\(file.key)), so it does not start. \(remedy)"
            }
        }
    }

    /// What to do about it; nil where nothing is in the way, or can't be seen.
    private func obstacle(to path: String) -> String? {
        guard let found = realpath(path, nil) else { return nil }
        defer { free(found) }
        let real = String(cString: found)
        for folder in Self.folders(above: path) + Self.folders(above: real) {
            guard let look = Self.look(at: folder), !has(0o1, look.st_mode, owner: look.st_uid, group: look.st_gid) else { continue }
            return "\(folder) is closed to that user: move the file to another folder, for example /etc/autogit"
        }
        guard let look = Self.look(at: real), !has(0o4, look.st_mode, owner: look.st_uid, group: look.st_gid) else { return nil }
        return look.st_uid == user.uid ? "Let it: chmod u+r \(real)" : "Give it the file: chown \(user.name) \(real)"
    }

    /// Whether the mode gives the user a right: 1 to enter, 4 to read. Only one of the three parts counts.
    func has(_ right: UInt32, _ mode: UInt32, owner: UInt32, group: UInt32) -> Bool {
        mode & (owner == user.uid ? right << 6 : groups.contains(group) ? right << 3 : right) != 0
    }

    private static func look(at path: String) -> stat? {
        var look = stat()
        return stat(path, &look) == 0 ? look : nil
    }

    private static func folders(above path: String) -> [String] {
        path.indices.filter { path[$0] == "/" }.map { $0 == path.startIndex ? "/" : String(path[..<$0]) }
    }
}
