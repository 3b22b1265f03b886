import Testing

@testable import Fleet

/// Where runners are placed. What becomes of those on hosts that are away is in AwayTests.swift.
@Suite struct HostsTests {
    static func host(_ name: String, memory: Int64? = nil, labels: [String] = [], resources: [String: Int] = [:], lostAfter: Duration? = .seconds(600))
        -> Host
    {
        Host(HostID(name), labels: labels, budget: HostBudget(memory: memory.map { $0 << 30 }), resources: resources, lostAfter: lostAfter)
    }

    static func pool(_ choice: HostChoice = HostChoice(), _ name: String = "p", _ tags: [String] = ["a"], max: Int = 10) -> Pool {
        var pool = Scene.pool(name, tags, max: max)
        pool.choice = choice
        return pool
    }

    static func place(_ host: String) -> Place { Place(HostID(host), .container) }
    static let down = Trouble("connection refused", isOutage: true)

    // MARK: Which host

    private struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var choice: HostChoice
        var hosts: [Host]
        var jobs: [JobID]
        var expected: [String]
        init(_ name: String, _ choice: HostChoice, _ hosts: [Host], jobs: Int = 1, _ expected: [String]) {
            (testDescription, self.choice, self.hosts, self.expected) = (name, choice, hosts, expected)
            self.jobs = (1...JobID(jobs)).map { $0 }
        }
    }

    private static let rows = [
        Row("any host", .init(), [host("a"), host("b")], ["a"]),
        Row("by name", .init(hosts: ["b"]), [host("a"), host("b")], ["b"]),
        Row("by label", .init(hosts: ["fast"]), [host("a"), host("b", labels: ["fast"])], ["b"]),
        Row("spread takes the one with the most room", .init(), [host("a", memory: 2), host("b", memory: 8)], jobs: 4, ["a", "b", "b", "b"]),
        Row("pack fills one first", .init(strategy: .pack), [host("a", memory: 8), host("b", memory: 2)], jobs: 4, ["a", "a", "a", "a"]),
        Row("pack goes on to the next", .init(strategy: .pack), [host("a", memory: 2), host("b", memory: 2)], jobs: 3, ["a", "a", "b"]),
        Row("the preferred one first", .init(prefer: ["b"]), [host("a"), host("b")], jobs: 2, ["b", "b"]),
        Row("preferred by label, in their order", .init(prefer: ["x", "y"]), [host("a", labels: ["y"]), host("b", labels: ["x"])], ["b"]),
        Row("a preferred one that is full keeps the next waiting", .init(prefer: ["b"]), [host("a"), host("b", memory: 1)], jobs: 2, ["b"]),
        Row("needs", .init(needs: ["jtag": 1]), [host("a"), host("b", resources: ["jtag": 2])], jobs: 3, ["b", "b"]),
        Row("a budget is each host's own", .init(), [host("a", memory: 1), host("b", memory: 1)], jobs: 3, ["a", "b"]),
    ]

    @Test(arguments: rows)
    private func aRunnerGoesTo(row: Row) {
        var scene = Scene([Self.pool(row.choice)], hosts: row.hosts)
        for id in row.jobs { scene.queue(id) }
        #expect(scene.plan().hosts == row.expected.sorted())
    }

    @Test func nativeOnAnotherHostComesBeforeEmulatedHere() {
        var pool = Self.pool()
        pool.hardware.architecture = .arm64
        var scene = Scene([pool], hosts: [Self.host("a"), Self.host("b")])
        let emulator = Emulator(architecture: "arm64", interpreter: "/q", flags: "F", isEnabled: true)
        scene.take(.done(.survey(HostID("a")), .success(.host(HostFacts(architecture: .amd64, emulators: [emulator])))))
        scene.take(.done(.survey(HostID("b")), .success(.host(HostFacts(architecture: .arm64)))))
        scene.queue(1)
        #expect(scene.plan().hosts == ["b"])
        scene.take(.done(.look(Self.place("b")), .failure(Self.down)))
        #expect(scene.plan().hosts == ["a"], "and emulated is better than none")
    }

    @Test func aGPUBelongsToItsHost() {
        var pool = Self.pool()
        pool.hardware.gpu = .nvidia
        var scene = Scene([pool], hosts: [Self.host("a"), Self.host("b")])
        for name in ["a", "b"] {
            let gpu = GPU(id: "0", vendor: .nvidia, name: "T4", nodes: [])
            scene.take(.done(.survey(HostID(name)), .success(.host(HostFacts(architecture: .amd64, gpus: [gpu])))))
        }
        scene.queue(1, 2, 3)
        let plan = scene.plan()
        #expect(plan.hosts == ["a", "b"], "the same id on two hosts is two GPUs")
        guard case .noHostTakes(_, let obstacles) = plan.reason(3) else { return #expect(Bool(false), "\(String(describing: plan.reason(3)))") }
        #expect(obstacles.map(\.host.name) == ["a", "b"] && plan.reason(3)?.code == "gpus-in-use")
    }

    @Test func aJobWaitsForThePreferredHostAndThenTakesTheNext() {
        var scene = Scene([Self.pool(HostChoice(prefer: ["b"], overflowAfter: .seconds(30)))], hosts: [Self.host("a"), Self.host("b", memory: 1)])
        scene.queue(1, 2)
        #expect(scene.plan().hosts == ["b"])
        #expect(scene.plan().reason(2) == .preferredFull(pool: "p", after: .seconds(30)))
        #expect(scene.plan().wakeAt.map { $0 <= scene.now + .seconds(30) } == true)
        scene.pass(.seconds(30))
        #expect(scene.plan().hosts == ["a", "b"])
    }

    @Test func aPreferredHostThatIsTooSmallKeepsNobodyWaiting() {
        var pool = Self.pool(HostChoice(prefer: ["b"]))
        pool.memory = 2 << 30
        var scene = Scene([pool], hosts: [Self.host("a"), Self.host("b", memory: 1)])
        scene.queue(1)
        #expect(scene.plan().hosts == ["a"])
    }

    @Test func aPreferredHostThatIsAwayKeepsNobodyWaiting() {
        var scene = Scene([Self.pool(HostChoice(prefer: ["b"]))], hosts: [Self.host("a"), Self.host("b")])
        scene.take(.done(.look(Self.place("b")), .failure(Self.down)))
        scene.queue(1)
        #expect(scene.plan().hosts == ["a"])
    }

    @Test func whyNoHostTakesARunnerNamesEach() {
        let hosts = [Self.host("a", memory: 1), Self.host("b"), Self.host("c")]
        var scene = Scene([Self.pool()], hosts: hosts)
        scene.add("one", pool: Self.pool().on(HostID("a")), job: 9)
        scene.take(.done(.look(Self.place("b")), .failure(Self.down)))
        scene.take(.ordered(.drain(HostID("c"), true)))
        scene.queue(1)
        let reason = scene.plan().reason(1)
        #expect(reason?.code == "no-host-takes")
        #expect(
            reason?.text
                == "no host takes a runner of pool p: a: the host's memory budget is used up (1024 of 1024 MiB promised); b: the engine does not answer: "
                + "connection refused; c: the host c is drained: autogitctl hosts resume c")
    }

    @Test func withoutAHostOfItsOwnAPoolSaysSo() {
        var scene = Scene([Self.pool(HostChoice(hosts: ["x"]))], hosts: [Self.host("a")])
        scene.queue(1)
        #expect(scene.plan().reason(1) == .noHost(pool: "p"))
    }

    @Test func failedStartsCountOnTheirHostOnly() {
        var scene = Scene([Self.pool(HostChoice(prefer: ["a"]))], hosts: [Self.host("a"), Self.host("b")])
        for _ in 1...PoolState.quarantineAfter {
            scene.state.pools[0].failed("no such image", on: HostID("a"), at: scene.now, jitter: 1)
            scene.pass(.seconds(1000))
        }
        scene.state.pools[0].failed("no such image", on: HostID("a"), at: scene.now, jitter: 1)
        scene.queue(1, 2, 3)
        #expect(scene.plan().hosts == ["b", "b", "b"])
        scene.pass(.seconds(1000))
        #expect(scene.plan().hosts == ["a", "b", "b"], "one runner is tried where starts fail")
    }

    @Test func anIdleRunnerOfTheSameHostMakesRoom() {
        let (p, q) = (Self.pool(HostChoice(hosts: ["b"])), Self.pool(HostChoice(), "q", ["b"]))
        var scene = Scene([p, q], hosts: [Self.host("a", memory: 1), Self.host("b", memory: 1)])
        scene.add("onA", pool: q.on(HostID("a")), gitlab: 1)
        scene.pass(.seconds(1))
        scene.add("onB", pool: q.on(HostID("b")), gitlab: 2)
        scene.queue(1)
        #expect(scene.plan().reason(1) == .makingRoom(by: "onB"))
    }

    // MARK: Drained

    @Test func aDrainedHostGetsNoRunnersAndIdleOnesLeave() {
        var scene = Scene([Self.pool()], hosts: [Self.host("a"), Self.host("b")])
        scene.add("idle", pool: Self.pool().on(HostID("a")), gitlab: 1)
        scene.add("busy", pool: Self.pool().on(HostID("a")), gitlab: 2, job: 7)
        scene.take(.ordered(.drain(HostID("a"), true)))
        scene.queue(1)
        let plan = scene.plan()
        #expect(plan.hosts == ["b"])
        #expect(plan.actions.contains(.leave("idle", reason: "its host is drained", failed: false)))
        #expect(scene.changes.contains { if case .host("a", true) = $0 { true } else { false } })
        scene.take(.decided(.leave("busy", reason: "its host is drained", failed: false)))
        #expect(scene.phase("busy") == .pausing, "it keeps its job: GitLab gives it no other")
        scene.take(.ordered(.drain(HostID("a"), false)))
        #expect(!scene.state.isDrained(HostID("a")) && scene.told { $0 == .hostResumed })
    }

    @Test func aHostThatIsTakenOutIsDrained() {
        var scene = Scene([Self.pool()], hosts: [Self.host("a"), Self.host("b")])
        scene.add("one", pool: Self.pool().on(HostID("a")))
        var configuration = scene.state.configuration
        configuration.hosts.removeFirst()
        scene.take(.configured(configuration))
        #expect(scene.plan().actions.contains(.leave("one", reason: "its host is drained", failed: false)))
        #expect(scene.state.placesInUse.contains(Self.place("a")), "what is there still has to be removed")
    }
}
