import Fleet
import Foundation
import HTTPTransfer
import Logging
import Synchronization
import TestBench
import Testing

@testable import ContainerDriver

/// Images of an architecture that was asked for, in an engine in which a name stands for one architecture at a time.
@Suite struct ImageArchitectureTests {
    /// An engine with names and images, and a registry that has what it has.
    private final class Store: Sendable {
        struct State {
            /// Architectures by id.
            var images: [String: String] = [:]
            var names: [String: String] = [:]
            /// Ids by platform, as a registry has them; without a platform `linux/amd64`.
            var registry: [String: String] = [:]
            var pulls: [String] = []
            var made: [String] = []
        }
        let state = Mutex(State())
        let server: BareServer

        init(path: String, _ make: (inout State) -> Void) throws {
            nonisolated(unsafe) let box = Box()
            server = try BareServer(path: path) { request, connection in box.store?.serve(request, connection) }
            box.store = self
            state.withLock { make(&$0) }
        }

        private final class Box { weak var store: Store? }

        private func serve(_ request: BareServer.Request, _ connection: BareConnection) {
            let url = URLComponents(string: request.target)
            let path = (url?.path ?? "").replacing(/^\/v[0-9.]+/, with: "")
            func query(_ name: String) -> String? { url?.queryItems?.first { $0.name == name }?.value }
            let answer: (Int, String) = state.withLock { state in
                switch (request.method, path) {
                case ("GET", "/_ping"): return (200, "OK")
                case ("POST", "/images/create"):
                    let (name, platform) = (query("fromImage") ?? "", query("platform") ?? "linux/amd64")
                    state.pulls.append(platform)
                    guard let id = state.registry[platform] ?? state.registry["only"] else { return (404, #"{"message":"no such manifest"}"#) }
                    state.names[name] = id
                    return (200, #"{"status":"done"}"#)
                case ("POST", "/containers/create"):
                    let image = (try? JSONSerialization.jsonObject(with: Data(request.body)) as? [String: Any])?["Image"] as? String ?? ""
                    state.made.append(image)
                    return (201, #"{"Id":"c"}"#)
                case ("GET", let path) where path.hasPrefix("/images/"):
                    let name = String(path.dropFirst(8).dropLast(5))
                    guard let id = state.images[name] == nil ? state.names[name] : name else { return (404, #"{"message":"no such image"}"#) }
                    return (200, #"{"Id":"\#(id)","Architecture":"\#(state.images[id] ?? "")"}"#)
                case ("POST", let path) where path.hasSuffix("/tag"):
                    state.names["\(query("repo") ?? ""):\(query("tag") ?? "")"] = String(path.dropFirst(8).dropLast(4))
                    return (201, "")
                default: return (500, #"{"message":"\#(request.method) \#(path)"}"#)
                }
            }
            connection.answer(answer.0, answer.1)
        }
    }

    private let scratch: ScratchFolder
    private let name = "registry.home/tools:3"
    private var own: String { WantedImage(name, .arm64).localName }

    init() throws { scratch = try ScratchFolder("platform") }

    private func create(_ store: Store, _ architecture: Architecture?, pull: ImagePull = .missing) async throws {
        var pool = Pool(name: "p")
        pool.image = name
        pool.pull = pull
        pool.configuredExecutor = .shell
        pool.hardware.architecture = architecture
        pool.cache = JobCache(.none)
        let driver = ContainerDriver(
            engine: Engine(socket: "\(scratch.path)/s", http: HTTPClient()), instance: "i",
            log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        _ = try await driver.create(RunnerSpec(runner: "abc", instance: "i", pool: pool))
    }

    private func store(_ make: (inout Store.State) -> Void) throws -> Store {
        try Store(path: "\(scratch.path)/s") { state in
            state.images = ["sha256:arm": "arm64", "sha256:amd": "amd64"]
            state.registry = ["linux/arm64": "sha256:arm", "linux/amd64": "sha256:amd"]
            make(&state)
        }
    }

    @Test func aForeignImageIsPulledForItsPlatformAndTheNativeOneKeepsTheName() async throws {
        let store = try store { $0.names["registry.home/tools:3"] = "sha256:amd" }
        defer { store.server.stop() }
        try await create(store, .arm64)
        let state = store.state.withLock { $0 }
        #expect(state.pulls == ["linux/arm64"] && state.made == ["sha256:arm"])
        #expect(state.names == [name: "sha256:amd", own: "sha256:arm"])
        // After a restart it is found by its own name, and the native one by its.
        try await create(store, .arm64)
        try await create(store, .amd64)
        try await create(store, nil)
        #expect(store.state.withLock { $0.pulls } == ["linux/arm64"])
        #expect(store.state.withLock { $0.made } == ["sha256:arm", "sha256:arm", "sha256:amd", name])
    }

    /// Such as one that was imported by hand.
    @Test func anImageOfTheArchitectureIsTakenAsItIs() async throws {
        let store = try store { $0.names[name] = "sha256:arm" }
        defer { store.server.stop() }
        try await create(store, .arm64)
        #expect(store.state.withLock { $0.pulls.isEmpty && $0.made == ["sha256:arm"] })
    }

    @Test func anImageThatIsNotThereForTheArchitectureSaysSo() async throws {
        let store = try store {
            $0.names[name] = "sha256:amd"
            $0.registry = ["only": "sha256:amd"]
        }
        defer { store.server.stop() }
        await #expect {
            try await create(store, .riscv64)
        } throws: {
            "\($0)".contains("is for amd64 only, not for riscv64") && ($0 as? EngineError)?.isOutage == false
        }
        #expect(store.state.withLock { $0.names == [name: "sha256:amd"] && $0.made.isEmpty })
    }

    @Test func theNewestOfAnArchitectureReplacesItsOwnNameOnly() async throws {
        let store = try store {
            $0.names = [name: "sha256:amd", own: "sha256:arm"]
            $0.images["sha256:newer"] = "arm64"
            $0.registry["linux/arm64"] = "sha256:newer"
        }
        defer { store.server.stop() }
        try await create(store, .arm64, pull: .always)
        #expect(store.state.withLock { $0.names == [name: "sha256:amd", own: "sha256:newer"] && $0.made == ["sha256:newer"] })
    }
}
