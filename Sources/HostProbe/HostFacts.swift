import Fleet

extension HostFacts {
    /// The machine that runners are on. What the engine says of it goes first: it may be on another than the probe, behind a socket that somebody
    /// forwarded, and then the probe tells nothing of it.
    /// - Parameter engine: nil where no pool needs one.
    public init(_ probed: Result<ProbedHost, any Error>, engine: HostFacts?) {
        self = engine ?? HostFacts()
        switch probed {
        case .failure(let error):
            remarks.append("emulators and GPUs are not known, because \(error)")
        case .success(let host):
            let architecture = Architecture(named: host.architecture)
            if let engine, let theirs = engine.architecture, let architecture, theirs != architecture {
                remarks.append(
                    "the engine is on another machine, which is \(theirs) while this one is \(host.architecture): its emulators and GPUs are not known")
                return
            }
            self.architecture = self.architecture ?? architecture
            cpus = cpus ?? host.cpus
            memory = memory ?? host.memory
            cgroupControllers = host.cgroupControllers
            emulators = host.emulators
            gpus = host.gpus
            gpuFaults = host.gpuFaults.map { "\(Timestamp(milliseconds: $0.time).iso8601) \($0.message)" }
            remarks += host.remarks
        }
    }
}
