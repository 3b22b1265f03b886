import FoundationEssentials
import Glibc
import Settings

/// Tries the TOML parser on a file in a child process. Some broken texts crash it (see `Settings.isTOML`), and a typo must neither crash a
/// start nor, worse, a reload.
struct ParserProbe {
    let path: String

    /// In bytes. Whoever parses afterwards has twice as much, and is not ended by a nesting that the child survived.
    static let stackSize = 8 << 20

    /// The child's part.
    static func run(_ path: String, lines: Int) {
        // The parent reports a file that is missing, or not TOML.
        if let text = try? String(contentsOfFile: path, encoding: .utf8) { _ = Settings.isTOML(text, lines: lines) }
    }

    /// - Throws: `InvalidSettings` with the line at which the parser gave up.
    func check() throws {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return }
        let count = text.split(separator: "\n", omittingEmptySubsequences: false).count
        if survives(lines: count) { return }
        // The parser reads from front to back: the shortest prefix that crashes it ends with the broken line.
        var (good, bad) = (0, count)
        while bad - good > 1 {
            let middle = (good + bad) / 2
            if survives(lines: middle) { good = middle } else { bad = middle }
        }
        throw InvalidSettings(errors: [
            SettingsError(file: path, line: bad, message: "invalid TOML: something is missing here, for example a name after [ or a value before a comma")
        ])
    }

    private func survives(lines: Int) -> Bool {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        let arguments = ["autogitd", "--probe", String(lines), "--config", path]
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child = pid_t()
        // Without a child, the parser itself finds out.
        guard posix_spawn(&child, "/proc/self/exe", &actions, nil, &words, environ) == 0 else { return true }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status & 0x7f == 0
    }
}
