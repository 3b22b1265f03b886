import FoundationEssentials
import HTTPTransfer

/// A version of the Docker Engine API, such as 1.41.
struct APIVersion: Sendable, Comparable, CustomStringConvertible {
    var major: Int
    var minor: Int

    /// The oldest that has all that is asked for here: Docker 20.10's. Podman 4 and 5 speak no newer one.
    static let oldest = APIVersion(major: 1, minor: 41)
    /// The newest whose changes were held against all that is asked for here: Docker 29.0's. Of those since 1.41 (Moby's api/docs/CHANGELOG.md)
    /// one is of interest: from 1.43 on images without a name have an empty list of names. From 1.53 on `GET /system/df` has no `Volumes`
    /// any more.
    static let newest = APIVersion(major: 1, minor: 52)

    init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// - Parameter text: two numbers with a dot between them.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let major = parts[0], let minor = parts[1] else { return nil }
        self.init(major: major, minor: minor)
    }

    var description: String { "\(major).\(minor)" }

    static func < (one: APIVersion, other: APIVersion) -> Bool { (one.major, one.minor) < (other.major, other.minor) }

    /// The answer of `GET /version`, as far as it matters here. The first value is also a header of each answer.
    struct Offer: Decodable {
        var ApiVersion: String?
        var MinAPIVersion: String?

        /// The newest version that both sides know. An engine that does not say what it knows gets the oldest.
        /// - Throws: `EngineError`, as an outage: nothing can be asked of such an engine.
        func inCommon() throws -> APIVersion {
            guard let newest = ApiVersion.flatMap(APIVersion.init) else { return .oldest }
            guard newest >= .oldest else {
                throw EngineError(
                    message: "the engine knows its API up to version \(newest), and AutoGit needs \(APIVersion.oldest): update the engine "
                        + "(Docker 20.10 or Podman 4 will do)", isOutage: true)
            }
            let oldest = MinAPIVersion.flatMap(APIVersion.init) ?? .oldest
            guard oldest <= .newest else {
                throw EngineError(
                    message: "the engine knows its API from version \(oldest) on, and this AutoGit up to \(APIVersion.newest): update AutoGit", isOutage: true)
            }
            return min(newest, .newest)
        }
    }

    /// Whether an engine refused a call because of its version, before it did anything. Docker's words (Moby, daemon/server/middleware/version.go).
    static func isRefused(in answer: HTTPResponse) -> Bool {
        guard answer.status == 400 else { return false }
        let words = answer.text
        return words.contains("client version") && (words.contains("is too old") || words.contains("is too new"))
    }
}
