import Fleet
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#endif

extension SettingsReader {
    /// The secret in the file that a key names, else the one that systemd passes.
    /// - Parameter credential: the name of the systemd credential; nil where there is none.
    mutating func secret(_ section: Section, _ key: String, credential: String?) -> Secret? {
        if let path = string(section, key) { return secret(path: path, section, key) }
        guard section.table?[key] == nil, let credential, let directory = environment.credentialsDirectory else { return nil }
        let path = "\(directory)/\(credential)"
        // The unit passes an empty line in place of a file that doesn't exist.
        guard let text = try? String(contentsOfFile: path, encoding: .utf8), !text.allSatisfy(\.isWhitespace) else { return nil }
        return secret(path: path, section, key, checkMode: false)
    }

    /// - Parameter checkMode: false for credentials, whose mode systemd sets.
    private mutating func secret(path: String, _ section: Section, _ key: String, checkMode: Bool = true) -> Secret? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            fail(section, key, "\(path) cannot be read: \(String(cString: strerror(errno)))")
            return nil
        }
        if checkMode, status.st_mode & 0o007 != 0 {
            fail(section, key, "\(path) is accessible to every user; run: chmod 600 \(path)")
            return nil
        }
        guard status.st_size <= 64 << 10, let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            fail(section, key, "\(path) cannot be read by uid \(getuid()), or is not a UTF-8 text of at most 64 KiB")
            return nil
        }
        let value = String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        guard !value.isEmpty, !value.contains(where: \.isNewline) else {
            fail(section, key, "\(path) must contain exactly one line, the secret")
            return nil
        }
        return Secret(value)
    }
}
