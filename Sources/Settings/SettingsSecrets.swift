import Fleet
import FoundationEssentials
import TOMLKit

#if canImport(Glibc)
    import Glibc
#endif

/// A file that the configuration names, and that the service reads as its own user.
public struct ServiceFile: Sendable, Equatable {
    /// The full name of its key, such as `host[0].tls_key`.
    public var key: String
    /// As the configuration has it.
    public var path: String

    public init(key: String, path: String) {
        self.key = key
        self.path = path
    }
}

extension SettingKey {
    /// The path of a file that the service reads, and that has more than one line to be read: see `secret` for the others.
    /// - Parameter check: returns what is wrong with the file; nil when nothing is.
    static func file(
        _ name: String, _ place: Place<Target, String?>, example: String, _ summary: String, check: @escaping @Sendable (String) -> String?
    ) -> Self {
        let text = string(name, place, example: .string(example), summary, check: check)
        return Self(
            name, summary, text.schema, example: text.example,
            read: { reader, section, target in
                text.read(&reader, section, &target)
                if let path = target[keyPath: place] { reader.note(path, section, name) }
            }, show: text.show)
    }
}

extension SettingsSchema {
    /// The section of tables that are named by registries.
    static let registrySection = "registry"

    /// The keys of `[registry."HOST:PORT"]`.
    static let registry: [SettingKey<RegistryDraft>] = [
        .string("username", \.username, example: .string("autogit"), pattern: "^[^:]+$", "the account, for the runner's image and those of jobs") {
            $0.isEmpty || $0.contains(":") ? "\"\($0)\" is not a valid user name: it is not empty and contains no colon" : nil
        },
        .secret("password_file", \.password, example: "/srv/autogit/registry-password", "a file with its password or token"),
    ]
}

extension SettingsReader {
    /// A file that the service has to be able to read.
    mutating func note(_ path: String, _ section: Section, _ key: String) { files.append(ServiceFile(key: section.path(key) ?? key, path: path)) }

    /// The secret in the file that a key names, else the one that systemd passes.
    /// - Parameter credential: the name of the systemd credential; nil where there is none.
    mutating func secret(_ section: Section, _ key: String, credential: String?) -> Secret? {
        if let path = string(section, key) { return secret(path: path, section, key) }
        if section.table?[key] == nil, let credential, let given = environment.credentials[credential] { return given }
        guard section.table?[key] == nil, let credential, let directory = environment.credentialsDirectory else { return nil }
        let path = "\(directory)/\(credential)"
        // The unit passes an empty line in place of a file that doesn't exist.
        guard let text = try? String(contentsOfFile: path, encoding: .utf8), !text.allSatisfy(\.isWhitespace) else { return nil }
        return secret(path: path, section, key, checkMode: false)
    }

    /// - Parameter checkMode: false for credentials, whose mode systemd sets.
    private mutating func secret(path: String, _ section: Section, _ key: String, checkMode: Bool = true) -> Secret? {
        if checkMode { note(path, section, key) }
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

/// Logins for registries.
extension SettingsReader {
    mutating func registries(_ root: TOMLTable) -> [RegistryLogin] {
        let name = SettingsSchema.registrySection
        guard let all = table(root, name) else { return [] }
        let example = "[registry.\"registry.home:5000\"]"
        return all.keys.sorted().compactMap { host in
            guard let entries = all[host]?.table else {
                // Without its quotes the host's name is a table in a table.
                fail(Section(name: name), host, "expected a section for a registry, with its name in quotes: \(example)")
                return nil
            }
            let section = Section(name: "\(name).\(host)", table: entries)
            if let part = entries.keys.first(where: { entries[$0]?.table != nil }) {
                fail(section, part, "is not a setting: a registry's name stands in quotes, for example \(example)")
                return nil
            }
            guard !host.isEmpty, !host.contains("/"), !host.contains(where: \.isWhitespace) else {
                fail(section, nil, "\"\(host)\" is not the name of a registry, for example \(example)")
                return nil
            }
            var draft = RegistryDraft()
            read(SettingsSchema.registry, section, into: &draft)
            for key in SettingsSchema.registry where entries[key.name] == nil { fail(section, key.name, "is required: \(key.summary)") }
            guard let username = draft.username, let password = draft.password else { return nil }
            return RegistryLogin(registry: host, username: username, password: password)
        }
    }
}
