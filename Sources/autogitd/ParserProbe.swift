import FoundationEssentials
import Glibc
import Settings

/// Whether the TOML parser lives through a file: asked in a child process, because some broken texts make it end its
/// process (see `Settings.isTOML`), and a typo must neither crash a start nor, worse, a reload.
struct ParserProbe {
    let path: String

    /// In bytes. Whoever parses afterwards has twice as much, and is not ended by a nesting that the child survived.
    static let stackSize = 8 << 20

    /// What the child does.
    static func run(_ path: String, lines: Int) {
        // A file that is not there, or not TOML, is somebody else's to report.
        if let text = try? String(contentsOfFile: path, encoding: .utf8) { _ = Settings.isTOML(text, lines: lines) }
    }

    /// - Throws: `InvalidSettings` with the line at which the parser gave up.
    func check() throws {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return }
        let count = text.split(separator: "\n", omittingEmptySubsequences: false).count
        if survives(lines: count) { return }
        // The parser goes from front to back: the shortest beginning that ends it ends with the line to blame.
        var (good, bad) = (0, count)
        while bad - good > 1 {
            let middle = (good + bad) / 2
            if survives(lines: middle) { good = middle } else { bad = middle }
        }
        throw InvalidSettings(errors: [
            SettingsError(file: path, line: bad, message: "this is not TOML: something is missing here, such as a name after [ or a value before a comma")
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
        // What can't be asked is taken for good: the parser itself will tell.
        guard posix_spawn(&child, "/proc/self/exe", &actions, nil, &words, environ) == 0 else { return true }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status & 0x7f == 0
    }
}
