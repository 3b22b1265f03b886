import Testing

@testable import Fleet

/// Architectures and GPUs: what a host has, what pools need, and who gets it.
@Suite struct PlacementTests {
    static let arm = Emulator(architecture: "arm64", interpreter: "/usr/libexec/qemu-binfmt/aarch64-binfmt-P", flags: "OCF")

    static func gpu(_ id: String, _ vendor: GPUVendor = .nvidia) -> GPU { GPU(id: id, vendor: vendor, name: "Model \(id)", cdi: "nvidia.com/gpu=\(id)") }

    static func facts(
        _ architecture: Architecture? = .amd64, emulators: [Emulator] = [], gpus: [GPU] = [],
        engine: EngineKind? = EngineKind(name: "Podman Engine", version: "4.3.1")
    ) -> HostFacts {
        HostFacts(architecture: architecture, engine: engine, emulators: emulators, gpus: gpus)
    }

    static func pool(_ name: String = "p", _ needs: HardwareNeeds, _ change: (inout Pool) -> Void = { _ in }) -> Pool {
        var pool = Scene.pool(name)
        pool.hardware = needs
        change(&pool)
        return pool
    }

    static func scene(_ pools: [Pool], on facts: HostFacts) -> Scene {
        var scene = Scene(pools)
        scene.survey(facts)
        return scene
    }

    // MARK: Architectures

    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var needs: HardwareNeeds
        var facts: HostFacts
        /// nil: a reason is expected.
        var gets: Equipment?
        var reason: WaitingReason?
        var executor = Executor.shell

        init(
            _ name: String, _ needs: HardwareNeeds, on facts: HostFacts, gets: Equipment? = nil, reason: WaitingReason? = nil, executor: Executor = .shell
        ) {
            testDescription = name
            self.needs = needs
            self.facts = facts
            self.gets = gets
            self.reason = reason
            self.executor = executor
        }
    }

    static func unfit(_ why: String) -> WaitingReason { .hostUnfit(pool: "p", why: why) }

    /// A swarm of two nodes that are there and one that is not, each with an architecture of its own.
    static func swarm(gpus: [GPU] = []) -> HostFacts {
        var swarm = facts(.amd64, gpus: gpus, engine: EngineKind(name: "Docker Swarm", version: "26.1.5"))
        let nodes: [(String, HostFacts.Node.Status, Architecture)] = [("a", .ready, .amd64), ("b", .ready, .arm64), ("c", .away, .riscv64)]
        swarm.nodes = nodes.map { .init(name: $0, status: $1, architecture: $2, cpus: 4, memory: 8 << 30) }
        return swarm
    }

    static let rows: [Row] = [
        Row("on a node of a swarm", .init(architecture: .arm64, emulation: .deny), on: swarm(), gets: Equipment(architecture: .arm64)),
        Row(
            "with its jobs in containers of their own, too", .init(architecture: .arm64), on: swarm(), gets: Equipment(architecture: .arm64), executor: .docker),
        Row("what most nodes of a swarm are, where none is named", .init(), on: swarm(), gets: Equipment(architecture: .amd64)),
        Row(
            "a node that is away runs nothing", .init(architecture: .riscv64), on: swarm(),
            reason: .noEmulator(.riscv64, host: .amd64, isOutsideOnly: false)),
        Row(
            "a GPU of a swarm", .init(gpu: .nvidia), on: swarm(gpus: [gpu("0")]), gets: Equipment(architecture: .amd64, vendor: .nvidia, gpus: ["0"])),
        Row(
            "a GPU of a swarm for jobs in containers of their own", .init(gpu: .nvidia), on: swarm(gpus: [gpu("0")]),
            reason: unfit(
                "which GPU a runner gets is the swarm's choice, so that it can't be handed on to the containers of jobs; "
                    + "executor = \"shell\" runs jobs in the runner's container, which has it"), executor: .docker),
        Row(
            "a GPU of a swarm, shared", .init(gpu: .nvidia, gpuShare: 2), on: swarm(gpus: [gpu("0")]),
            reason: unfit("a swarm gives a GPU to one runner at a time: remove gpu_share")),
        Row("the host's own where none is named", .init(), on: facts(), gets: Equipment(architecture: .amd64)),
        Row("native", .init(architecture: .amd64), on: facts(), gets: Equipment(architecture: .amd64)),
        Row("native, whatever the executor", .init(architecture: .amd64), on: facts(), gets: Equipment(architecture: .amd64), executor: .docker),
        Row("32 bits on 64", .init(architecture: .i386), on: facts(), gets: Equipment(architecture: .i386)),
        Row("emulated", .init(architecture: .arm64), on: facts(emulators: [arm]), gets: Equipment(architecture: .arm64, isEmulated: true)),
        Row("on an engine elsewhere its architecture counts", .init(architecture: .arm64), on: facts(.arm64), gets: Equipment(architecture: .arm64)),
        Row(
            "emulation is denied", .init(architecture: .arm64, emulation: .deny), on: facts(emulators: [arm]),
            reason: unfit("the host is amd64, and emulation = \"deny\"")),
        Row(
            "emulation only, and the host is that itself", .init(architecture: .amd64, emulation: .only), on: facts(),
            reason: unfit("emulation = \"only\", and the host is amd64 itself")),
        Row("no emulator", .init(architecture: .riscv64), on: facts(emulators: [arm]), reason: .noEmulator(.riscv64, host: .amd64, isOutsideOnly: false)),
        Row(
            "an emulator without flag F", .init(architecture: .arm64),
            on: facts(emulators: [Emulator(architecture: "arm64", interpreter: "/usr/bin/qemu-aarch64-static", flags: "OC")]),
            reason: .noEmulator(.arm64, host: .amd64, isOutsideOnly: true)),
        Row(
            "an emulator that is switched off", .init(architecture: .arm64),
            on: facts(emulators: [Emulator(architecture: "arm64", interpreter: "/usr/bin/qemu", flags: "F", isEnabled: false)]),
            reason: .noEmulator(.arm64, host: .amd64, isOutsideOnly: false)),
        Row(
            "jobs in containers of their own", .init(architecture: .arm64), on: facts(emulators: [arm]),
            reason: unfit("executor = \"docker\" can't be emulated: \(Pool.whyNoEmulatedJobs)"), executor: .docker),
        Row("an engine of a kind without a name here", .init(architecture: .arm64), on: facts(nil), reason: unfit("the host's architecture is not known")),
        // GPUs.
        Row(
            "a GPU", .init(gpu: .nvidia), on: facts(gpus: [gpu("0"), gpu("1")]), gets: Equipment(architecture: .amd64, vendor: .nvidia, gpus: ["0"])),
        Row(
            "of the vendor", .init(gpu: .amd), on: facts(gpus: [gpu("0"), gpu("a", .amd)]),
            gets: Equipment(architecture: .amd64, vendor: .amd, gpus: ["a"])),
        Row(
            "two of them", .init(gpu: .nvidia, gpus: .some(2)), on: facts(gpus: [gpu("0"), gpu("1"), gpu("2")]),
            gets: Equipment(architecture: .amd64, vendor: .nvidia, gpus: ["0", "1"])),
        Row(
            "all", .init(gpu: .nvidia, gpus: .all), on: facts(gpus: [gpu("0"), gpu("1"), gpu("a", .amd)]),
            gets: Equipment(architecture: .amd64, vendor: .nvidia, gpus: ["0", "1"])),
        Row("none", .init(gpu: .nvidia), on: facts(), reason: .noGPU(pool: "p", vendor: .nvidia, wanted: 1, found: 0)),
        Row("all of none", .init(gpu: .nvidia, gpus: .all), on: facts(), reason: .noGPU(pool: "p", vendor: .nvidia, wanted: 1, found: 0)),
        Row(
            "too few", .init(gpu: .nvidia, gpus: .some(2)), on: facts(gpus: [gpu("0")]), reason: .noGPU(pool: "p", vendor: .nvidia, wanted: 2, found: 1)),
        Row(
            "jobs in containers of their own, on Docker", .init(gpu: .nvidia),
            on: facts(gpus: [gpu("0")], engine: EngineKind(name: "Docker Engine", version: "20.10.24")),
            gets: Equipment(architecture: .amd64, vendor: .nvidia, gpus: ["0"]), executor: .docker),
        Row(
            "jobs in containers of their own, on Podman 5.4", .init(gpu: .nvidia),
            on: facts(gpus: [gpu("0")], engine: EngineKind(name: "Podman Engine", version: "5.4.2")),
            gets: Equipment(architecture: .amd64, vendor: .nvidia, gpus: ["0"]), executor: .docker),
        Row(
            "jobs in containers of their own, with device nodes", .init(gpu: .intel), on: facts(gpus: [gpu("i", .intel)]),
            gets: Equipment(architecture: .amd64, vendor: .intel, gpus: ["i"]), executor: .docker),
    ]

    @Test(arguments: rows)
    func aRunnerGetsWhatItsPoolNeedsOrTheJobSaysWhyNot(row: Row) {
        let pool = Self.pool("p", row.needs) { $0.configuredExecutor = row.executor }
        var scene = Self.scene([pool], on: row.facts)
        scene.queue(1)
        let plan = scene.plan()
        #expect(plan.equipment == row.gets.map { [$0] } ?? [])
        #expect(plan.reason(1) == row.reason)
    }

    @Test func jobsInContainersOfTheirOwnGetNoCDIBeforePodmanKnowsItThere() throws {
        let pool = Self.pool("p", .init(gpu: .nvidia)) { $0.configuredExecutor = .docker }
        var scene = Self.scene([pool], on: Self.facts(gpus: [Self.gpu("0")]))
        scene.queue(1)
        let reason = try #require(scene.plan().reason(1))
        #expect(scene.plan().launches.isEmpty && reason.code == "host-unfit" && reason.text.contains("Podman Engine 4.3.1"))
    }

    @Test func aPoolWithNeedsWaitsUntilTheHostIsKnownAndOthersDoNot() {
        var scene = Scene([Self.pool("gpus", .init(gpu: .nvidia)) { $0.tags = ["gpu"] }, Scene.pool()])
        scene.state.hosts = [:]
        scene.queue(1)
        scene.queue(2, tags: ["gpu"])
        let plan = scene.plan()
        #expect(plan.launches == ["p:1"] && plan.reason(2) == .startingUp && plan.actions.contains(.survey(.local)))
    }

    // MARK: GPUs

    @Test func aGPUIsGivenOnceAndTheNextJobSaysWhoHasIt() {
        var scene = Self.scene([Self.pool("p", .init(gpu: .nvidia))], on: Self.facts(gpus: [Self.gpu("0"), Self.gpu("1")]))
        scene.queue(1, 2, 3)
        let plan = scene.plan()
        #expect(plan.equipment.map(\.gpus) == [["0"], ["1"]])
        guard case .gpusInUse(total: 2, let runners) = plan.reason(3) else { return #expect(Bool(false)) }
        #expect(runners.count == 2)
        #expect(plan.reason(3)?.text.hasPrefix("all 2 GPUs are in use (runners ") == true)
    }

    /// From the decision to the end of its container, over a restart of the daemon, too.
    @Test(arguments: Runner.Phase.allCases.filter { $0 != .removed })
    func aRunnerHasItsGPUUntilItsContainerIsGone(phase: Runner.Phase) {
        let pool = Self.pool("p", .init(gpu: .nvidia))
        var scene = Self.scene([pool], on: Self.facts(gpus: [Self.gpu("0")]))
        scene.add("one", phase, job: phase == .ready ? 9 : nil)
        scene.state.runners["one"]?.equipment = Equipment(architecture: .amd64, vendor: .nvidia, gpus: ["0"])
        if phase < .pausing { scene.state.runners["one"]?.currentJob = 9 }
        scene.queue(1)
        #expect(scene.plan().launches == [])
        #expect(scene.plan().reason(1) == (phase < .pausing ? .gpusInUse(total: 1, runners: ["one"]) : .makingRoom(by: "one")))
        scene.state.progress["one"]?.containerGone = true
        #expect(scene.plan().equipment.map(\.gpus) == [["0"]])
    }

    @Test func whoSharesIsAskedAsWellAsWhoHasIt() {
        let pools = [Self.pool("alone", .init(gpu: .nvidia)) { $0.tags = ["alone"] }, Self.pool("two", .init(gpu: .nvidia, gpuShare: 2)) { $0.tags = ["two"] }]
        var scene = Self.scene(pools, on: Self.facts(gpus: [Self.gpu("0"), Self.gpu("1")]))
        scene.queue(1, 2, 3, tags: ["two"])
        #expect(scene.plan().equipment.map(\.gpus) == [["0"], ["1"], ["0"]], "the free one first")
        scene.add("one", pool: pools[0], job: 9)
        scene.state.runners["one"]?.equipment = Equipment(architecture: .amd64, vendor: .nvidia, gpus: ["0"])
        #expect(scene.plan().equipment.map(\.gpus) == [["1"], ["1"]], "one who has it alone goes on having it alone")
        scene.state.runners["one"]?.equipment.share = 2
        scene.queue(4, tags: ["alone"])
        scene.state.jobs = scene.state.jobs.filter { $0.key.id == 4 }
        #expect(scene.plan().equipment.map(\.gpus) == [["1"]], "one who wants it alone gets one that nobody has")
    }

    @Test func aGPUThatVanishesIsToldAndItsPoolWaitsInsteadOfFailing() {
        let pool = Self.pool("p", .init(gpu: .nvidia))
        var scene = Self.scene([pool], on: Self.facts(gpus: [Self.gpu("0")]))
        scene.add("idle")
        scene.add("busy", gitlab: 101, job: 9)
        for id in ["idle", "busy"] { scene.state.runners[id]?.equipment = Equipment(architecture: .amd64, vendor: .nvidia, gpus: ["0"], share: 1) }
        scene.survey(Self.facts())
        #expect(scene.told { $0 == .gpuLost(["busy", "idle"]) })
        scene.queue(1)
        let plan = scene.plan()
        #expect(plan.reason(1) == .noGPU(pool: "p", vendor: .nvidia, wanted: 1, found: 0))
        #expect(plan.actions.contains(.leave("idle", reason: "its GPU is not there any more", failed: false)))
        scene.survey(Self.facts(gpus: [Self.gpu("0")]))
        #expect(scene.told { $0 == .gpuBack } && scene.state.hosts[.local]?.lost.isEmpty == true)
    }

    /// What could not be found out leaves what is known.
    @Test func aSurveyThatFailsTakesNothingAway() {
        var scene = Self.scene([Self.pool("p", .init(gpu: .nvidia))], on: Self.facts(gpus: [Self.gpu("0")]))
        scene.take(.done(.survey(.local), .failure(Trouble("no engine", isOutage: true))))
        scene.queue(1)
        #expect(scene.plan().equipment.map(\.gpus) == [["0"]] && scene.state.hosts[.local]?.trouble == "no engine")
    }

    @Test func faultsAreToldOnce() {
        var scene = Self.scene([Self.pool("p", .init(gpu: .nvidia))], on: Self.facts())
        var facts = Self.facts()
        facts.gpuFaults = ["NVRM: Xid 79"]
        facts.remarks = ["nvidia-smi took too long"]
        for _ in 0..<3 { scene.survey(facts) }
        #expect(scene.events.count { $0.kind == .gpuFault("NVRM: Xid 79") } == 1)
        #expect(scene.events.count { $0.kind == .hostRemark("nvidia-smi took too long") } == 1)
    }

    /// Where GPUs are wanted, hosts are looked at more often.
    @Test func hostsAreLookedAtAgain() {
        for (needs, beat) in [
            (HardwareNeeds(), Beat.survey), (HardwareNeeds(gpu: .nvidia), Beat.surveyOfNeeds), (.init(architecture: .arm64), Beat.surveyOfNeeds),
        ] {
            var scene = Self.scene([Self.pool("p", needs)], on: Self.facts())
            scene.take(.decided(.survey(.local)))
            scene.take(.done(.survey(.local), .success(.host(Self.facts()))))
            scene.pass(beat - .seconds(1))
            #expect(!scene.plan().actions.contains(.survey(.local)))
            scene.pass(.seconds(1))
            #expect(scene.plan().actions.contains(.survey(.local)))
            scene.take(.decided(.survey(.local)))
            scene.take(.done(.survey(.local), .success(.host(Self.facts()))))
            scene.take(.heard(Scene.place, .resync))
            #expect(scene.plan().actions.contains(.survey(.local)), "an engine that comes back may be another")
        }
    }

    // MARK: Runners that are there

    @Test(arguments: [
        (HardwareNeeds(), Equipment(), true), (.init(), .init(architecture: .amd64), true), (.init(), .init(architecture: .arm64, isEmulated: true), false),
        (.init(architecture: .arm64), .init(architecture: .arm64, isEmulated: true), true), (.init(architecture: .arm64), .init(architecture: .amd64), false),
        (.init(architecture: .arm64), .init(), false), (.init(architecture: .arm64, emulation: .deny), .init(architecture: .arm64, isEmulated: true), false),
        (.init(architecture: .arm64, emulation: .only), .init(architecture: .arm64), false), (.init(gpu: .nvidia), .init(), false),
        (.init(), .init(vendor: .nvidia, gpus: ["0"]), false), (.init(gpu: .nvidia), .init(vendor: .nvidia, gpus: ["0"]), true),
        (.init(gpu: .nvidia, gpus: .some(2)), .init(vendor: .nvidia, gpus: ["0"]), false),
        (.init(gpu: .nvidia, gpus: .all), .init(vendor: .nvidia, gpus: ["0"]), true),
        (.init(gpu: .nvidia, gpuShare: 2), .init(vendor: .nvidia, gpus: ["0"]), false), (.init(gpu: .amd), .init(vendor: .nvidia, gpus: ["0"]), false),
    ])
    func aRunnerWithOtherEquipmentIsNoSupply(needs: HardwareNeeds, equipment: Equipment, fits: Bool) {
        var scene = Self.scene([Self.pool("p", needs)], on: Self.facts(emulators: [Self.arm], gpus: [Self.gpu("0"), Self.gpu("1"), Self.gpu("a", .amd)]))
        scene.add("one")
        scene.state.runners["one"]?.equipment = equipment
        #expect(scene.plan().actions.contains(.leave("one", reason: "its pool is another now", failed: false)) == !fits)
    }
}

extension Scene {
    mutating func survey(_ facts: HostFacts) { take(.done(.survey(.local), .success(.host(facts)))) }
}

extension Plan {
    /// Of the runners that are launched, in their order.
    var equipment: [Equipment] { actions.compactMap { if case .launch(_, _, _, let equipment, _) = $0 { equipment } else { nil } } }
}
