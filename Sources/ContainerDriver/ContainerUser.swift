/// The numbers of a user and a group in a container.
struct ContainerUser: Sendable, Equatable {
    var user: Int
    var group: Int

    static let root = ContainerUser(user: 0, group: 0)

    /// The largest number that a tar header takes.
    private static let most = 0o7777777

    /// - Parameter text: `User` of an image's configuration: `USER[:GROUP]`, each a name or a number, or empty for root.
    /// - Returns: nil where a name has to be looked up in the image.
    init?(_ text: String) {
        if text.isEmpty {
            self = .root
            return
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        if parts[0] == "root", parts.count == 1 {
            self = .root
            return
        }
        // The group of a number is in /etc/passwd, too; root's does for files that only their owner may read.
        guard let user = Int(parts[0]), let group = parts.count > 1 ? Int(parts[1]) : 0 else { return nil }
        self.init(user: user, group: group)
    }

    /// - Parameters:
    ///   - text: as above.
    ///   - passwd: the image's /etc/passwd (passwd(5)).
    init?(_ text: String, passwd: String) {
        let name = text.prefix { $0 != ":" }
        for line in passwd.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 4, fields[0] == name || fields[2] == name, let user = Int(fields[2]), let group = Int(fields[3]) else { continue }
            self.init(user: user, group: group)
            return
        }
        return nil
    }

    init(user: Int, group: Int) {
        self.user = min(max(user, 0), Self.most)
        self.group = min(max(group, 0), Self.most)
    }
}
