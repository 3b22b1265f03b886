import Fleet
import FoundationEssentials
import HTTPTransfer

/// What an engine says of itself and of the machine that it runs on.
extension Engine {
    /// Make and version.
    /// - Throws: `EngineError`
    public func kind() async throws -> EngineKind {
        struct Version: Decodable {
            struct Component: Decodable {
                var Name: String?
                var Version: String?
            }
            var Version: String?
            var Components: [Component]?
        }
        let found = try decode(Version.self, try await call("GET", "/version"))
        // Podman names its engine first; Docker's is called `Engine`.
        let name = found.Components?.first?.Name ?? "Engine"
        return EngineKind(name: name == "Engine" ? "Docker Engine" : name, version: found.Components?.first?.Version ?? found.Version ?? "")
    }

    /// The machine as the engine sees it. What it leaves out is missing here.
    /// - Throws: `EngineError`
    public func facts() async throws -> HostFacts {
        struct Info: Decodable {
            struct Runtime: Decodable {}
            var Architecture: String?
            var NCPU: Int?
            var MemTotal: Int64?
            var Runtimes: [String: Runtime]?
            var DefaultRuntime: String?
        }
        let info = try decode(Info.self, try await call("GET", "/info"))
        var facts = HostFacts(architecture: info.Architecture.flatMap { Architecture(named: $0) }, cpus: info.NCPU, memory: info.MemTotal)
        facts.engine = try await kind()
        let first = info.DefaultRuntime ?? ""
        facts.runtimes = (info.Runtimes?.keys.sorted() ?? []).sorted { ($0 != first ? 1 : 0, $0) < ($1 != first ? 1 : 0, $1) }
        if facts.architecture == nil, let name = info.Architecture { facts.remarks.append("the engine names an unknown architecture: \(name)") }
        return facts
    }

    /// Whether Docker takes GPUs by CDI: it says where it looks for specifications, from version 25 on and where that is switched on.
    /// - Throws: `EngineError`
    func knowsCDI() async throws -> Bool {
        struct Info: Decodable { var CDISpecDirs: [String]? }
        return try decode(Info.self, try await call("GET", "/info")).CDISpecDirs?.isEmpty == false
    }
}
