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

    /// All volumes with a label, such as `key=value`.
    public func volumes(label: String) async throws -> [Volume] {
        struct List: Decodable { var Volumes: [Volume]? }
        return try decode(List.self, try await call("GET", "/volumes?filters=\(Self.filter(labels: [label]))")).Volumes ?? []
    }

    /// All volumes.
    func volumes() async throws -> [Volume] {
        struct List: Decodable { var Volumes: [Volume]? }
        return try decode(List.self, try await call("GET", "/volumes")).Volumes ?? []
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
}
