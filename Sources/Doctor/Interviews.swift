import ContainerDriver
import ControlModel
import Fleet
import FoundationEssentials
import GitLab
import HTTPTransfer
import HostTools

/// Answers of the container engine, as far as a diagnosis needs them.
public protocol EngineInterview: Sendable {
    /// Where it is, or the first place where it is looked for.
    var socket: String { get }
    /// Make and version, the path of its storage, and how that is kept.
    /// - Throws: when it doesn't answer, in its own words.
    func introduction() async throws -> EngineIntroduction
    /// When an image was made; the outer nil when there is no such image.
    func image(_ name: String) async throws -> Date??
    /// Has a container in a network ask for an address.
    /// - Returns: nil when it got any answer at all, else the words of the program that asked.
    func reach(_ url: String, from network: String?, image: String) async throws -> String?
}

/// What an engine says of itself.
public struct EngineIntroduction: Sendable {
    public var product: String
    public var storage: String?
    public var storageDriver: String?
    public init(product: String, storage: String? = nil, storageDriver: String? = nil) {
        self.product = product
        self.storage = storage
        self.storageDriver = storageDriver
    }
}

extension Engine: EngineInterview {
    public func introduction() async throws -> EngineIntroduction {
        struct Info: Decodable {
            var DockerRootDir: String?
            var Driver: String?
        }
        let kind = try await kind()
        let info = try? JSONDecoder().decode(Info.self, from: Data(try await call("GET", "/info").body))
        return EngineIntroduction(product: "\(kind.name) \(kind.version)", storage: info?.DockerRootDir, storageDriver: info?.Driver)
    }

    public func image(_ name: String) async throws -> Date?? {
        struct Inspected: Decodable { var Created: String? }
        let answer = try await call("GET", "/images/\(percentEncoded(ImageName(name).canonical))/json", allowed: [404])
        guard answer.isSuccess else { return nil }
        let created = (try? JSONDecoder().decode(Inspected.self, from: Data(answer.body)))?.Created
        // Podman writes nanoseconds.
        let date = created.flatMap { try? Date($0.replacing(/\.\d+/, with: ""), strategy: .iso8601) }
        // Images that are made to be reproducible claim to be of 1970 or 1980.
        return .some(date.flatMap { $0.timeIntervalSince1970 < 400_000_000 ? nil : $0 })
    }

    /// Whatever of the three the image has; busybox' wget crashes in some builds when it is given a time itself. Any answer will do, also a refusal: GitLab's version is no secret between machines, but asking for it is
    /// not allowed to everybody.
    private static let script = """
        if command -v curl >/dev/null 2>&1; then exec curl -sSk -o /dev/null -m 15 "$1"; fi
        if command -v wget >/dev/null 2>&1; then
          case "$1" in https:*) trust=--no-check-certificate;; *) trust=;; esac
          limit=; if command -v timeout >/dev/null 2>&1; then limit='timeout 20'; fi
          said=$($limit wget -q $trust -O /dev/null "$1" 2>&1); code=$?
          case "$code:$said" in 0:*|6:*|8:*|*HTTP/*) exit 0;; 124:*|143:*) said='no answer within 20 s';; esac
          echo "${said:-wget failed ($code)}"; exit 1
        fi
        if command -v python3 >/dev/null 2>&1; then
          exec python3 -c 'import socket,sys,urllib.parse as p; u=p.urlsplit(sys.argv[1]); socket.create_connection((u.hostname, u.port or (443 if u.scheme=="https" else 80)), 15)' "$1"
        fi
        echo 'the image has neither curl nor wget nor python3 to ask with'; exit 125
        """

    public func reach(_ url: String, from network: String?, image: String) async throws -> String? {
        struct Body: Encodable {
            struct Host: Encodable { var NetworkMode: String? }
            var Image: String
            var Entrypoint = ["/bin/sh"]
            var Cmd: [String]
            var HostConfig: Host
        }
        struct Ended: Decodable { var StatusCode: Int }
        let body = Body(Image: ImageName(image).canonical, Cmd: ["-c", Self.script, "probe", url], HostConfig: .init(NetworkMode: network))
        let id = try await create(name: "autogit-doctor-\(UInt32.random(in: 0...UInt32.max))", body: Array(try JSONEncoder().encode(body)))
        do {
            try await start(id)
            let ended = try JSONDecoder().decode(Ended.self, from: Data(try await call("POST", "/containers/\(id)/wait", timeout: .seconds(60)).body))
            var said: [UInt8] = []
            for try await piece in try await log(id, lines: 5, follow: false) { said += piece }
            try await remove(id)
            let words = String(decoding: said, as: UTF8.self).split(whereSeparator: \.isNewline).last.map(String.init)
            if ended.StatusCode == 125 { throw EngineError(message: words ?? "the image has no program to ask with") }
            return ended.StatusCode == 0 && words == nil ? nil : words ?? "the program that asked failed (\(ended.StatusCode))"
        } catch {
            try? await remove(id)
            throw error
        }
    }
}

/// Answers of GitLab, with the token.
public protocol GitLabInterview: Sendable {
    func reach() async -> Evidence.GitLabLook
    /// By the Date header of any answer.
    func clock() async -> Date?
    func token() async -> Seen<Evidence.TokenLook>
    func hook(of project: String) async -> Evidence.HookLook
    func rivals(in project: String) async throws -> [String]
}

/// The genuine one.
public struct GitLabAsked: GitLabInterview {
    private let forge: GitLabForge
    private let http: HTTPClient
    private let url: String
    private let caFile: String?
    private let webhook: String?
    private let needs: TokenNeeds

    /// - Parameters:
    ///   - webhook: the address that `hook install` gives to GitLab; nil when nobody knows it.
    ///   - needs: what the configuration wants of the token.
    public init(forge: GitLabForge, http: HTTPClient, url: String, caFile: String?, webhook: String?, needs: TokenNeeds) {
        self.needs = needs
        self.forge = forge
        self.http = http
        self.url = url
        self.caFile = caFile
        self.webhook = webhook
    }

    public func reach() async -> Evidence.GitLabLook {
        do {
            try await forge.ping()
            return .reached
        } catch let error as GitLabError {
            return error.tokenRefused ? .refused(error.message) : .failed(error.message)
        } catch {
            return .failed("\(error)")
        }
    }

    public func clock() async -> Date? {
        guard let answer = try? await http.send(HTTPRequest("GET", url + "/api/v4/version", caFile: caFile, timeout: .seconds(15))) else { return nil }
        return answer.header("Date").flatMap(HTTPDate.read)
    }

    public func token() async -> Seen<Evidence.TokenLook> {
        do {
            let facts = try await forge.tokenFacts()
            guard facts.scopes != nil || facts.administrator != .unknown else { return .unseen("this GitLab does not tell what the token may do") }
            // Of a day that has begun nothing is left.
            let days = facts.expiry.map { Int(($0.at - Timestamp(Date())).milliseconds.dividedDown(by: 86_400_000)) }
            return .seen(.init(lacks: facts.lacks(for: needs).map(\.what), daysLeft: days))
        } catch {
            return .unseen((error as? GitLabError)?.summary ?? "\(error)")
        }
    }

    public func hook(of project: String) async -> Evidence.HookLook {
        do {
            switch try await forge.hookCondition(project: project, url: webhook) {
            case .none: return .init(project: project, isOff: .seen(nil))
            case .on(let last): return .init(project: project, isOff: .seen(false), lastAnswer: last)
            case .off(let last): return .init(project: project, isOff: .seen(true), lastAnswer: last)
            }
        } catch {
            return .init(project: project, isOff: .unseen((error as? GitLabError)?.summary ?? "\(error)"))
        }
    }

    public func rivals(in project: String) async throws -> [String] { try await forge.otherRunners(project: project) }
}

/// The form of dates in HTTP (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
enum HTTPDate {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    static func read(_ text: String) -> Date? {
        let words = text.split { $0 == " " || $0 == ":" }
        guard words.count == 8, let day = Int(words[1]), let month = months.firstIndex(of: String(words[2])), let year = Int(words[3]),
            let hour = Int(words[4]), let minute = Int(words[5]), let second = Int(words[6]), (1...31).contains(day), (1970...9999).contains(year)
        else { return nil }
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return try? Date("\(year)-\(two(month + 1))-\(two(day))T\(two(hour)):\(two(minute)):\(two(second))Z", strategy: .iso8601)
    }
}

/// Whether a registry has an image, without fetching it.
public struct RegistryInquiry: Sendable {
    private let http: HTTPClient
    private let logins: [RegistryLogin]

    public init(http: HTTPClient, logins: [RegistryLogin]) {
        self.http = http
        self.logins = logins
    }

    /// The status of a HEAD for the image's manifest (OCI Distribution Specification, "Checking if content exists in the registry"), which
    /// Docker Hub doesn't count as a pull. A registry that wants a token first says where to get one.
    public func head(_ image: String) async -> Seen<Int> {
        let name = ImageName(image)
        let parts = name.canonical.split(separator: "@", maxSplits: 1)
        let rest = String(parts[0].dropFirst(name.registry.count + 1))
        let colon = rest.lastIndex(of: ":")
        let (path, tag) = (colon.map { String(rest[..<$0]) } ?? rest, colon.map { String(rest[rest.index(after: $0)...]) } ?? "latest")
        let host = name.registry == "docker.io" ? "registry-1.docker.io" : name.registry
        let isHere = ["localhost", "127.", "[::1]"].contains { host.hasPrefix($0) }
        let url = "\(isHere ? "http" : "https")://\(host)/v2/\(path)/manifests/\(parts.count > 1 ? String(parts[1]) : tag)"
        let login = logins.first { $0.registry == name.registry }.map {
            "Basic " + Data("\($0.username):\($0.password.reveal())".utf8).base64EncodedString()
        }
        do {
            let first = try await ask(url, login)
            guard first.status == 401, let challenge = first.header("WWW-Authenticate"), challenge.lowercased().hasPrefix("bearer ") else {
                return .seen(first.status)
            }
            func value(_ key: String) -> String? {
                challenge.components(separatedBy: "\(key)=\"").dropFirst().first?.prefix { $0 != "\"" }.description
            }
            // A login goes to where the registry sends for it only within its own domain, or in Docker Hub's.
            guard let realm = value("realm"), realm.hasPrefix("https://") || isHere else { return .seen(401) }
            let query = ["service", "scope"].compactMap { key in value(key).map { "\(key)=\(percentEncoded($0))" } }.joined(separator: "&")
            let realmHost = realm.components(separatedBy: "/").dropFirst(2).first ?? ""
            let isTrusted = realmHost == host || realmHost == "auth.docker.io" && name.registry == "docker.io"
            let answer = try await http.send(
                HTTPRequest(
                    "GET", "\(realm)?\(query)", headers: isTrusted ? login.map { [("Authorization", $0)] } ?? [] : [], timeout: .seconds(15), maxBody: 1 << 20))
            struct Granted: Decodable {
                var token: String?
                var access_token: String?
            }
            let granted = try? JSONDecoder().decode(Granted.self, from: Data(answer.body))
            guard let token = granted?.token ?? granted?.access_token else { return .seen(401) }
            return .seen(try await ask(url, "Bearer \(token)").status)
        } catch let error as TransferError {
            return .unseen(error.message)
        } catch {
            return .unseen("\(error)")
        }
    }

    private static let kinds = [
        "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
    ]

    private func ask(_ url: String, _ authorization: String?) async throws -> HTTPResponse {
        try await http.send(
            HTTPRequest(
                "HEAD", url, headers: [("Accept", Self.kinds.joined(separator: ", "))] + (authorization.map { [("Authorization", $0)] } ?? []),
                timeout: .seconds(15)))
    }
}

extension Int64 {
    /// Rounded towards the past.
    fileprivate func dividedDown(by divisor: Int64) -> Int64 { self >= 0 ? self / divisor : (self - divisor + 1) / divisor }
}
