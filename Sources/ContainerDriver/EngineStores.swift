import Fleet
import FoundationEssentials
import HTTPTransfer

/// What containers leave behind when they go.
extension Engine {
    // MARK: Networks

    /// A network as the engine lists it.
    public struct Network: Decodable, Sendable {
        /// The network's id.
        public var Id: String
        /// Not unique in Docker.
        public var Name: String?
        /// All labels.
        public var Labels: [String: String]?
        /// ISO 8601.
        public var Created: String?
    }

    /// All networks with a label, such as `key=value`.
    public func networks(label: String) async throws -> [Network] {
        try decode([Network].self, try await call("GET", "/networks?filters=\(Self.filter(labels: [label]))"))
    }

    /// One that isn't there is no error.
    /// - Throws: `EngineError`, also when a container uses it.
    public func removeNetwork(_ id: String) async throws { try await call("DELETE", "/networks/\(percentEncoded(id))", allowed: [404]) }

    // MARK: Volumes

    /// A volume as the engine lists it.
    public struct Volume: Decodable, Sendable {
        /// Unique in the engine.
        public var Name: String
        /// All labels.
        public var Labels: [String: String]?
        /// ISO 8601.
        public var CreatedAt: String?
    }

    /// All volumes with a label, such as `key=value`; without one all that there are.
    public func volumes(label: String? = nil) async throws -> [Volume] {
        struct List: Decodable { var Volumes: [Volume]? }
        let filter = label.map { "?filters=\(Self.filter(labels: [$0]))" } ?? ""
        return try decode(List.self, try await call("GET", "/volumes\(filter)")).Volumes ?? []
    }

    /// The bytes of each volume, by its name. The engine reads all of their folders for it.
    /// - Throws: `EngineError`, also when that takes longer than a minute.
    func volumeSizes() async throws -> [String: Int64] {
        struct Usage: Decodable {
            struct Volume: Decodable {
                struct Data: Decodable { var Size: Int64? }
                var Name: String
                var UsageData: Data?
            }
            var Volumes: [Volume]?
        }
        // `type=volume` came with version 1.42.
        let found = try decode(Usage.self, try await call("GET", "/system/df")).Volumes ?? []
        // -1 stands for unknown.
        let sizes = found.compactMap { volume in volume.UsageData?.Size.flatMap { $0 < 0 ? nil : (volume.Name, $0) } }
        return Dictionary(sizes) { first, _ in first }
    }

    /// One that isn't there is no error.
    /// - Throws: `EngineError`, also when a container uses it.
    public func removeVolume(_ name: String) async throws { try await call("DELETE", "/volumes/\(percentEncoded(name))", allowed: [404]) }

    /// Makes a volume. One that is there already is no error, and keeps its labels.
    public func createVolume(_ name: String, labels: [String: String]) async throws {
        struct Body: Encodable {
            var Name: String
            var Labels: [String: String]
        }
        try await call("POST", "/volumes/create", body: Array(try JSONEncoder().encode(Body(Name: name, Labels: labels))))
    }

    // MARK: Images

    /// All images, with whether any container is made of them.
    func images() async throws -> [EngineImage] {
        struct Found: Decodable {
            var Id: String
            var RepoTags: [String]?
            var Size: Int64?
        }
        let used = Set(try await containers().compactMap { $0.ImageID.map(Self.bare) })
        return try decode([Found].self, try await call("GET", "/images/json")).map { found in
            EngineImage(
                id: found.Id, names: (found.RepoTags ?? []).filter { $0 != "<none>:<none>" }, bytes: found.Size ?? 0,
                isUsed: used.contains(Self.bare(found.Id)))
        }
    }

    /// Some answers have the algorithm before an id, and some don't.
    static func bare(_ id: String) -> Substring { id.hasPrefix("sha256:") ? id.dropFirst(7) : id[...] }

    /// Gives an image another name, which no other image has then.
    /// - Parameter name: with a tag, and without a digest.
    func tag(_ image: String, as name: ImageName) async throws {
        let text = "\(name)"
        let colon = text.lastIndex(of: ":") ?? text.endIndex
        try await call(
            "POST",
            "/images/\(percentEncoded(image))/tag?repo=\(percentEncoded(String(text[..<colon])))&tag=\(percentEncoded(String(text[colon...].dropFirst())))")
    }

    /// Removes a name of an image, and the image with the last of them. One that isn't there is no error.
    /// - Throws: `EngineError`, also when a container uses it.
    func removeImage(_ name: String) async throws { try await call("DELETE", "/images/\(percentEncoded(name))", allowed: [404]) }

    /// Removes images without a name that nothing uses, and caches of builds. Podman has none of the latter.
    func prune() async throws {
        let dangling = percentEncoded(#"{"dangling":["true"]}"#)
        try await call("POST", "/images/prune?filters=\(dangling)", timeout: .seconds(600))
        try await call("POST", "/build/prune", allowed: [404, 405], timeout: .seconds(600))
    }

    // MARK: The disk

    /// The path of the engine's storage, as the engine sees it.
    func storage() async throws -> String {
        struct Info: Decodable { var DockerRootDir: String }
        return try decode(Info.self, try await call("GET", "/info")).DockerRootDir
    }

    /// Bytes of the container's own layer; nil where the engine doesn't say, or there is no such container.
    func written(_ container: String) async throws -> Int64? {
        struct Inspected: Decodable { var SizeRw: Int64? }
        let answer = try await call("GET", "/containers/\(container)/json?size=true", allowed: [404])
        return answer.isSuccess ? try decode(Inspected.self, answer).SizeRw : nil
    }
}
