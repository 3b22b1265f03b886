import Fleet
import JSONSchema

extension SettingsSchema {
    /// The keys of a pool about architectures and GPUs.
    static let hardware: [SettingKey<Pool>] = [
        .parsed(
            "architecture", optional: \.hardware.architecture, example: "arm64", .word(of: Architecture.everyName),
            "such as amd64, arm64 or riscv64; absent: the host's",
            hint: "expected an architecture, for example \"amd64\", \"arm64\" or \"riscv64\"", parse: { Architecture(named: $0) }, print: { $0.rawValue }),
        .parsed(
            "emulation", \.hardware.emulation, .word(of: Emulation.self), "or \"deny\", or \"only\"; on a host of another architecture",
            hint: "expected \"allow\", \"deny\" or \"only\"", parse: Emulation.init(rawValue:), print: \.rawValue),
        .flag("architecture_tags", \.architectureTags, "whether its runners have their architecture's names as tags, too"),
        .parsed(
            "gpu", optional: \.hardware.gpu, example: "nvidia", .word(of: GPUVendor.self), "or \"amd\" or \"intel\"; absent: none",
            hint: "expected \"nvidia\", \"amd\" or \"intel\"", parse: { GPUVendor(rawValue: $0) }, print: { $0.rawValue }),
        SettingKey(
            "gpus", "of each runner; or \"all\"", .any(of: [.integer().from(1, to: 64), .word(of: ["all"])]),
            read: { reader, section, pool in if let count = reader.gpus(section, "gpus") { pool.hardware.gpus = count } },
            show: { if case .some(let count) = $0.hardware.gpus { .count(count) } else { .string("all") } }),
        .count("gpu_share", \.hardware.gpuShare, in: 1...1000, "the most runners that have one GPU at once"),
    ]
}

/// Rules about architectures and GPUs.
extension SettingsReader {
    mutating func gpus(_ section: Section, _ name: String) -> GPUCount? {
        if section.table?[name]?.string == "all" { return .all }
        guard section.table?[name]?.string == nil else {
            fail(section, name, "expected a number from 1 to 64, or \"all\"")
            return nil
        }
        return count(section, name, in: 1...64).map(GPUCount.some)
    }

    /// What follows from the architecture: its tags, and the shell executor where jobs' own containers could not be of it.
    /// - Parameter candidates: where its runners may be placed. Of other machines than this one the architecture is found out later.
    mutating func settle(_ pool: inout Pool, _ section: Section, on candidates: [Host]) {
        let isHere = candidates.allSatisfy { $0.id == .local }
        let own = isHere ? environment.architecture : nil
        if pool.architectureTags {
            guard let architecture = pool.hardware.architecture ?? own else {
                return fail(
                    section, "architecture_tags",
                    isHere ? "needs architecture, because this machine's is not known" : "needs architecture, because its hosts may be of several")
            }
            // So that it stays true wherever the engine is.
            pool.hardware.architecture = architecture
            pool.tags += architecture.tags.filter { !pool.tags.contains($0) }
        }
        checkHardware(pool, section)
        guard let own, let wanted = pool.hardware.architecture, pool.driver == .container, !own.runs(wanted) else { return }
        if pool.configuredExecutor == .docker {
            fail(
                section, "executor",
                "\"docker\" can't be emulated: \(Pool.whyNoEmulatedJobs), and this host is \(own); with executor = \"shell\" jobs run in an image of "
                    + "\(wanted) that has the runner in it")
        }
        pool.configuredExecutor = .shell
    }

    private mutating func checkHardware(_ pool: Pool, _ section: Section) {
        let needs = pool.hardware
        if needs.architecture == nil, section.table?["emulation"] != nil { fail(section, "emulation", "has no effect without architecture") }
        for key in ["gpus", "gpu_share"] where needs.gpu == nil && section.table?[key] != nil {
            fail(section, key, "has no effect without gpu, for example gpu = \"nvidia\"")
        }
        guard pool.driver == .scope else { return }
        if let wanted = needs.architecture, let own = environment.architecture, !own.runs(wanted) {
            fail(
                section, "architecture",
                "a runner in a scope is a process of this host, which is \(own): use driver = \"container\", whose image can be of \(wanted). A command under "
                    + "qemu-\(wanted.machine)-static would still find this host's programs for its jobs")
        }
    }
}
