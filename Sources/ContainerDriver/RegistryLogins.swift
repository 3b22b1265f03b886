import Fleet
import FoundationEssentials
import Threads

/// Who this AutoGit is at registries: the logins of its configuration, and those that the service's user has made by `podman login` or
/// `docker login`.
public struct RegistryLogins: Sendable, Equatable {
    /// By registry, or by a registry and the beginning of a path in it.
    private var entries: [String: Entry] = [:]

    private struct Entry: Sendable, Equatable {
        var username: String
        var password: Secret
        /// In place of a password, from a registry that gave one out.
        var identityToken: Secret?
    }

    /// - Parameter logins: of the configuration; of two for one registry the last counts.
    public init(_ logins: [RegistryLogin] = []) {
        for login in logins { entries[ImageName.usual(login.registry)] = Entry(username: login.username, password: login.password) }
    }

    // MARK: Files of users

    /// What of a user's file is of no use here.
    enum Unusable: Error, Equatable, CustomStringConvertible {
        case notJSON
        /// A program has the passwords, not the file.
        case helper

        var description: String {
            switch self {
            case .notJSON: "it is not JSON as podman login and docker login write it"
            case .helper: "it leaves passwords to a helper program, which AutoGit does not run: use [registry] in autogit.toml for those"
            }
        }
    }

    /// Adds the logins of an auth.json or config.json (containers-auth.json(5)) for registries that have none yet.
    /// - Returns: nil where nothing had to be left out.
    @discardableResult
    mutating func add(file: [UInt8]) -> Unusable? {
        struct File: Decodable {
            struct Entry: Decodable {
                var auth: String?
                var identitytoken: String?
            }
            var auths: [String: Entry]?
            var credsStore: String?
            var credHelpers: [String: String]?
        }
        guard let file = try? JSONDecoder().decode(File.self, from: Data(file)) else { return .notJSON }
        for (key, found) in file.auths ?? [:] {
            guard let login = found.auth.flatMap({ Data(base64Encoded: $0) }).map({ String(decoding: $0, as: UTF8.self) }),
                let colon = login.firstIndex(of: ":")
            else { continue }
            let place = Self.place(key)
            if entries[place] != nil { continue }
            entries[place] = Entry(
                username: String(login[..<colon]), password: Secret(String(login[login.index(after: colon)...])),
                identityToken: found.identitytoken.map { Secret($0) })
        }
        return file.credsStore?.isEmpty == false || file.credHelpers?.isEmpty == false ? .helper : nil
    }

    /// Docker writes Docker Hub as `https://index.docker.io/v1/`, and may write others as URLs, too.
    private static func place(_ key: String) -> String {
        let bare = key.replacing(/^https?:\/\//, with: "")
        let host = bare.prefix { $0 != "/" }
        let path = bare[host.endIndex...].trimmingPrefix("/")
        return path.isEmpty || ["v1/", "v2/", "v1", "v2"].contains(String(path)) ? ImageName.usual(host) : "\(ImageName.usual(host))/\(path)"
    }

    // MARK: Use

    /// The login for the longest beginning of the image's name.
    private func entry(for image: ImageName) -> Entry? {
        var place = Substring("\(image.registry)/\(image.path)")
        while true {
            if let found = entries[String(place)] { return found }
            guard let slash = place.lastIndex(of: "/") else { return nil }
            place = place[..<slash]
        }
    }

    /// The value of the header `X-Registry-Auth` for a pull (Docker Engine API, "Authentication"); nil without a login. It is a secret.
    package func header(for image: ImageName) -> String? {
        struct Body: Encodable {
            var username: String?
            var password: String?
            var identitytoken: String?
            var serveraddress: String
        }
        guard let entry = entry(for: image) else { return nil }
        let body =
            entry.identityToken.map { Body(identitytoken: $0.reveal(), serveraddress: image.registry) }
            ?? Body(username: entry.username, password: entry.password.reveal(), serveraddress: image.registry)
        guard let json = try? JSONEncoder().encode(body) else { return nil }
        return json.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
    }

    /// All of them as Docker's config.json, which gitlab-runner reads in its home for the images of jobs; nil where there are none.
    /// It holds passwords.
    package var dockerConfiguration: String? {
        struct File: Encodable {
            struct Entry: Encodable {
                var auth: String
                var identitytoken: String?
            }
            var auths: [String: Entry]
        }
        guard !entries.isEmpty else { return nil }
        let auths = entries.map { place, entry in
            (
                place == "docker.io" ? "https://index.docker.io/v1/" : place,
                File.Entry(
                    auth: Data("\(entry.username):\(entry.password.reveal())".utf8).base64EncodedString(), identitytoken: entry.identityToken?.reveal())
            )
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(File(auths: Dictionary(uniqueKeysWithValues: auths)))).map { String(decoding: $0, as: UTF8.self) }
    }

    /// They are secrets: a value prints as its registries only.
    var registries: [String] { entries.keys.sorted() }
}

extension RegistryLogins: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "logins for \(registries.joined(separator: ", "))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where logins come from. Users' files are read each time, so that `podman login` needs no restart.
public struct RegistryAccess: Sendable {
    private let configured: [RegistryLogin]
    private let files: [String]

    /// - Parameters:
    ///   - configured: go before those of files.
    ///   - files: paths, of which the earlier go before the later; they may be absent.
    public init(_ configured: [RegistryLogin] = [], files: [String] = []) {
        self.configured = configured
        self.files = files
    }

    /// The files that Podman and Docker keep for a user.
    /// - Parameters:
    ///   - user: the user's number, by whom the files have to be readable.
    ///   - environment: of a process of that user.
    public static func files(ofUser user: UInt32, environment: [String: String]) -> [String] {
        let home = environment["HOME"].map { [$0 + "/.config/containers/auth.json", $0 + "/.docker/config.json"] } ?? []
        let named = environment["REGISTRY_AUTH_FILE"].map { [$0] } ?? []
        return named + ["/run/user/\(user)/containers/auth.json"] + home
    }

    /// The logins of now, and a sentence for each file that couldn't be used as a whole.
    /// - Throws: `ThreadError`
    package func current() async throws -> (logins: RegistryLogins, complaints: [String]) {
        try await onThread("reading logins for registries") { read() }
    }

    private func read() -> (logins: RegistryLogins, complaints: [String]) {
        var logins = RegistryLogins(configured)
        var complaints: [String] = []
        for file in files {
            guard let bytes = FileManager.default.contents(atPath: file) else { continue }
            if let why = logins.add(file: Array(bytes)) { complaints.append("\(file): \(why)") }
        }
        return (logins, complaints)
    }
}
