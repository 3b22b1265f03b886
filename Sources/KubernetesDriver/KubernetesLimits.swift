import Fleet

/// What of a pool's settings a cluster can't carry out, or AutoGit can't there.
public enum KubernetesLimits {
    /// Settings that would silently mean nothing, a phrase each with what to do instead; none for a pool that can be run. Those with a default that
    /// can't be told from a choice (`pids`, `io_weight`, `disk_max`, a cache in a volume) are not among them.
    public static func obstacles(to pool: Pool) -> [String] {
        let docker = pool.docker
        let checks: [(Bool, String)] = [
            (!pool.mounts.isEmpty, "mounts are folders of one machine: use volumes in the pod template, or in [pool.runner.kubernetes] for jobs"),
            (pool.network != nil, "network is a container engine's"),
            (pool.hardware.emulation == .only, "emulation = \"only\" needs a node that is known to emulate"),
            (pool.hardware.gpuShare > 1, "gpu_share is a matter of the device plugin there, which counts a shared GPU several times"),
            (pool.hardware.gpu != nil && pool.hardware.gpus == .all, "gpus = \"all\" has no meaning for a cluster: name a number"),
            (!pool.stopSignal.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-".contains($0)) }, "stop_signal is not the name of a signal"),
            (!docker.volumes.isEmpty, "[pool.docker] volumes are an engine's: use [pool.runner.kubernetes.volumes]"),
            (!docker.devices.isEmpty, "[pool.docker] devices are one machine's"),
            (docker.shmSize != nil, "[pool.docker] shm_size: use an emptyDir of the medium Memory at /dev/shm in [pool.runner.kubernetes.volumes]"),
            (docker.networkMode != nil, "[pool.docker] network_mode is an engine's"),
        ]
        return checks.filter(\.0).map(\.1)
    }
}
