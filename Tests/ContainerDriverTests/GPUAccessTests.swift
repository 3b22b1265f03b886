import Fleet
import Foundation
import RunnerConfiguration
import Testing

@testable import ContainerDriver

/// How GPUs get into containers, by engine and vendor. What the engines do with it is in docs/architecture.md, and tried end to end.
@Suite struct GPUAccessTests {
    private static let podman = EngineKind(name: "Podman Engine", version: "4.3.1")
    private static let docker = EngineKind(name: "Docker Engine", version: "26.1.5")

    private static func nvidia(_ index: Int, cdi: Bool = true) -> GPU {
        GPU(id: "GPU-\(index)", vendor: .nvidia, name: "RTX", cdi: cdi ? "nvidia.com/gpu=GPU-\(index)" : nil, index: index)
    }

    private static let amd = GPU(
        id: "0000:03:00.0", vendor: .amd, name: "RX", nodes: [.init(path: "/dev/kfd", group: 105), .init(path: "/dev/dri/renderD128", group: 105)])

    @Test(arguments: [
        ([nvidia(0)], podman, true, GPUAccess.cdi(["nvidia.com/gpu=GPU-0"])),
        ([nvidia(0), nvidia(1)], docker, true, .requests(driver: "cdi", ["nvidia.com/gpu=GPU-0", "nvidia.com/gpu=GPU-1"])),
        ([nvidia(0)], docker, false, .requests(driver: "nvidia", ["0"])), ([nvidia(1, cdi: false)], docker, true, .requests(driver: "nvidia", ["1"])),
        ([amd, amd], podman, true, .nodes(["/dev/kfd", "/dev/dri/renderD128"], groups: [105])),
    ])
    func eachEngineHasItsWay(gpus: [GPU], engine: EngineKind, knowsCDI: Bool, expected: GPUAccess) throws {
        #expect(try GPUAccess(gpus, engine, knowsCDI: knowsCDI) == expected)
    }

    @Test func podmanWithoutASpecificationIsToldWhatToInstall() {
        #expect {
            try GPUAccess([Self.nvidia(0, cdi: false)], Self.podman, knowsCDI: true)
        } throws: {
            ($0 as? EngineError)?.isOutage == false && "\($0)".contains("nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml")
        }
    }

    /// In the words of Docker's client, which gitlab-runner's `gpus` has.
    @Test(arguments: [
        (GPUAccess.cdi(["nvidia.com/gpu=0"]), RunnerSurroundings.JobGPUs(request: "driver=cdi,device=nvidia.com/gpu=0")),
        (.requests(driver: "nvidia", ["0", "1"]), .init(request: "driver=nvidia,\"device=0,1\"")),
        (.nodes(["/dev/kfd"], groups: [105, 44]), .init(devices: ["/dev/kfd"], groups: ["105", "44"])),
    ])
    func jobsContainersGetThem(access: GPUAccess, expected: RunnerSurroundings.JobGPUs) { #expect(access.forJobs(isRootless: false) == expected) }

    @Test func anEngineWithoutPrivilegesKeepsItsOwnGroups() {
        #expect(GPUAccess.nodes(["/dev/kfd"], groups: [105]).forJobs(isRootless: true).groups == ["keep-groups"])
    }

    private func spec(_ change: (inout Pool) -> Void = { _ in }) -> ContainerSpec {
        var pool = Pool(name: "p")
        pool.configuredExecutor = .shell
        pool.image = "i:1"
        (pool.cpus, pool.memory, pool.pids, pool.env) = (1.5, 64 << 20, 99, ["A": "b=c"])
        pool.mounts = ["/srv/data:/data:ro,noexec", "/x:/y"]
        change(&pool)
        return ContainerSpec(RunnerSpec(runner: "abc", instance: "i", pool: pool), socket: nil)
    }

    private func json(_ value: some Encodable) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: JSONEncoder().encode(value)) as? [String: Any])
    }

    @Test func dockerIsAskedForDevicesInItsOwnWords() throws {
        var wanted = spec()
        wanted.add(.requests(driver: "nvidia", ["0"]))
        var host = try #require(try json(wanted)["HostConfig"] as? [String: Any])
        #expect((host["DeviceRequests"] as? [[String: Any]])?.first?["DeviceIDs"] as? [String] == ["0"])
        wanted = spec()
        wanted.add(.nodes(["/dev/kfd"], groups: [105]))
        host = try #require(try json(wanted)["HostConfig"] as? [String: Any])
        #expect((host["Devices"] as? [[String: Any]])?.first?["PathOnHost"] as? String == "/dev/kfd" && host["GroupAdd"] as? [String] == ["105"])
        host = try #require(try json(spec())["HostConfig"] as? [String: Any])
        #expect(host["DeviceRequests"] == nil && host["Devices"] == nil, "a runner without GPUs is asked for as before")
    }

    /// Podman's own endpoint makes the same container as the compatible one.
    @Test func podmansOwnWordsSayTheSame() throws {
        let wanted = spec { $0.network = "runners" }
        let body = try json(LibpodSpec(wanted, name: "autogit-runner-abc", .cdi(["nvidia.com/gpu=0"])))
        #expect(body["name"] as? String == "autogit-runner-abc" && body["image"] as? String == "i:1")
        #expect(body["command"] as? [String] == ["run", "--config", "/run/autogit/config.toml"] && body["env"] as? [String: String] == ["A": "b=c"])
        #expect(body["labels"] as? [String: String] == wanted.Labels && body["no_new_privileges"] as? Bool == true)
        #expect(body["cap_drop"] as? [String] == ["ALL"] && body["cap_add"] as? [String] == wanted.HostConfig.CapAdd.map { "CAP_\($0)" })
        let limits = try #require(body["resource_limits"] as? [String: [String: Int]])
        #expect(limits == ["memory": ["limit": 64 << 20, "swap": 64 << 20], "cpu": ["period": 100_000, "quota": 150_000], "pids": ["limit": 99]])
        #expect((body["mounts"] as? [[String: Any]])?.first?["options"] as? [String] == ["ro", "noexec", "rbind"])
        // The pool's cache.
        #expect((body["volumes"] as? [[String: Any]])?.first?["Dest"] as? String == "/cache")
        #expect((body["Networks"] as? [String: Any])?.keys.first == "runners" && (body["netns"] as? [String: String]) == ["nsmode": "bridge"])
        #expect((body["devices"] as? [[String: String]]) == [["path": "nvidia.com/gpu=0"]] && body["annotations"] == nil)
        let unlimited = try json(LibpodSpec(spec { $0.memory = 0 }, name: "n", .nodes(["/dev/kfd"], groups: [105])))
        #expect((unlimited["resource_limits"] as? [String: Any])?["memory"] == nil)
        let host = try json(LibpodSpec(spec { $0.network = "host" }, name: "n", .nodes(["/dev/kfd"], groups: [105])))
        #expect((host["netns"] as? [String: String]) == ["nsmode": "host"] && host["Networks"] == nil)
        #expect(host["annotations"] as? [String: String] == ["run.oci.keep_original_groups": "1"])
    }
}
