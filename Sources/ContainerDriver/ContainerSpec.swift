import Fleet
import FoundationEssentials

/// The body of `POST /containers/create`.
struct ContainerSpec: Encodable {
    var Image: String
    var Entrypoint: [String]?
    var Cmd: [String]?
    var Env: [String]
    var Labels: [String: String]
    var StopSignal: String
    var HostConfig: Host

    struct Host: Encodable {
        var NanoCpus: Int64
        var Memory: Int64
        var MemorySwap: Int64
        var PidsLimit: Int
        var SecurityOpt: [String]
        var CapDrop: [String]
        var CapAdd: [String]
        var NetworkMode: String?
        var Binds: [String]
    }

    /// What a job needs to install packages with apt or apk as the container's root, and nothing that
    /// reaches outside: change owners and modes, keep set-id bits, switch users, and let apt kill its
    /// sandboxed fetchers.
    static let capabilities = [
        "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETFCAP",
    ]

    init(_ spec: RunnerSpec) {
        let pool = spec.pool
        Image = pool.image
        if pool.command.isEmpty {
            Cmd = ["run", "--config", RunnerFiles.configuration]
        } else {
            Entrypoint = [pool.command[0]]
            Cmd = Array(pool.command.dropFirst())
        }
        Env = pool.env.map { "\($0.key)=\($0.value)" }.sorted()
        Labels = [
            ContainerDriver.instanceLabel: spec.instance,
            ContainerDriver.runnerLabel: spec.runner,
            "autogit.pool": pool.name,
        ]
        StopSignal = pool.stopSignal
        let drop = Set(pool.capabilitiesDrop)
        let keep = Self.capabilities + pool.capabilitiesAdd.filter { !Self.capabilities.contains($0) }
        HostConfig = Host(
            NanoCpus: Int64(pool.cpus * 1e9), Memory: pool.memory,
            // The same as Memory: no swap beside it, so that the limit is the limit.
            MemorySwap: pool.memory, PidsLimit: pool.pids, SecurityOpt: ["no-new-privileges"],
            CapDrop: ["ALL"], CapAdd: keep.filter { !drop.contains($0) }, NetworkMode: pool.network,
            Binds: pool.mounts)
    }
}
