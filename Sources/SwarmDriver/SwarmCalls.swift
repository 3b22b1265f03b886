import ContainerDriver
import Fleet
import FoundationEssentials
import HTTPTransfer

/// Calls to a swarm's manager (Docker Engine API).
extension Engine {
    /// - Throws: `EngineError`, an outage, with the next step while it is none.
    func checkIsManager() async throws {
        struct Info: Decodable {
            struct Swarm: Decodable {
                var LocalNodeState: String?
                var ControlAvailable: Bool?
            }
            var Swarm: Swarm?
        }
        let swarm = try decode(Info.self, try await call("GET", "/info")).Swarm
        if swarm?.ControlAvailable == true { return }
        let step =
            switch swarm?.LocalNodeState ?? "inactive" {
            case "active": "it is a worker: name a manager's socket, or run docker node promote on a manager"
            case "locked": "the swarm is locked: run docker swarm unlock"
            case "pending", "error": "its node is \(swarm?.LocalNodeState ?? ""): see docker info"
            default: "it is in no swarm: run docker swarm init, or docker swarm join"
            }
        throw EngineError(message: "the engine at \(socket) is no manager of a swarm; \(step)", isOutage: true)
    }

    func nodes() async throws -> [SwarmNode] { try decode([SwarmNode].self, try await call("GET", "/nodes")) }

    func services(labels: [String]) async throws -> [SwarmService] {
        try decode([SwarmService].self, try await call("GET", "/services?filters=\(Self.filter(labels: labels))"))
    }

    /// nil when there is none.
    func service(_ name: String) async throws -> SwarmService? {
        let answer = try await call("GET", "/services/\(percentEncoded(name))", allowed: [404])
        return answer.isSuccess ? try decode(SwarmService.self, answer) : nil
    }

    /// - Parameter login: for the image's registry, which the nodes use.
    /// - Returns: the service's id.
    func create(_ service: ServiceSpec, login: String?) async throws -> String {
        struct Created: Decodable { var ID: String }
        return try decode(
            Created.self,
            try await call("POST", "/services/create", headers: Self.headers(login), body: Array(try JSONEncoder().encode(service)))
        )
        .ID
    }

    private static let mostTries = 5

    /// Changes a service. Whoever else has changed it meanwhile is not overruled: the change is made anew to what it is then.
    /// - Returns: false when there is none.
    @discardableResult
    func update(_ name: String, login: String? = nil, _ change: (inout ServiceSpec) -> Void) async throws -> Bool {
        for attempt in 1... {
            guard var service = try await service(name) else { return false }
            let before = service.Spec
            change(&service.Spec)
            if service.Spec == before { return true }
            do {
                let path = "/services/\(service.ID)/update?version=\(service.Version.Index)"
                let answer = try await call("POST", path, headers: Self.headers(login), body: Array(try JSONEncoder().encode(service.Spec)), allowed: [404])
                return answer.isSuccess
            } catch let error as EngineError where error.message.contains("update out of sequence") && attempt < Self.mostTries {}
        }
        return false
    }

    private static func headers(_ login: String?) -> [(name: String, value: String)] { login.map { [("X-Registry-Auth", $0)] } ?? [] }

    /// One that isn't there is no error.
    func removeService(_ name: String) async throws { try await call("DELETE", "/services/\(percentEncoded(name))", allowed: [404]) }

    /// By the labels of their services, also of those that are removed already.
    func tasks(labels: [String]) async throws -> [SwarmTask] {
        try decode([SwarmTask].self, try await call("GET", "/tasks?filters=\(Self.filter(labels: labels))"))
    }

    /// - Returns: its id.
    func createSecret(_ name: String, labels: [String: String], _ content: [UInt8]) async throws -> String {
        struct Body: Encodable {
            var Name: String
            var Labels: [String: String]
            /// JSONEncoder writes it in base64, as the interface wants it.
            var Data: Data
        }
        struct Created: Decodable { var ID: String }
        let body = Body(Name: name, Labels: labels, Data: Data(content))
        return try decode(Created.self, try await call("POST", "/secrets/create", body: Array(try JSONEncoder().encode(body)))).ID
    }

    func secrets(labels: [String]) async throws -> [SwarmSecret] {
        try decode([SwarmSecret].self, try await call("GET", "/secrets?filters=\(Self.filter(labels: labels))"))
    }

    /// One that isn't there is no error.
    func removeSecret(_ id: String) async throws { try await call("DELETE", "/secrets/\(percentEncoded(id))", allowed: [404]) }
}
