import Testing

@testable import Fleet

/// Hosts that sleep while no runner needs them.
@Suite struct PowerTests {
    private static let power = HostPower(wakeTime: .seconds(60), idle: .seconds(1200))
    private static let down = Trouble("connection timed out", isOutage: true)

    private static func host(_ name: String, memory: Int64? = nil, _ power: HostPower? = power) -> Host {
        Host(HostID(name), budget: HostBudget(memory: memory.map { $0 << 30 }), lostAfter: .seconds(600), power: power)
    }

    private static func pool(_ choice: HostChoice = HostChoice(), _ name: String = "p", _ tags: [String] = ["a"], max: Int = 10) -> Pool {
        var pool = Scene.pool(name, tags, max: max)
        pool.choice = choice
        return pool
    }

    /// Of which those named sleep.
    private static func scene(_ hosts: [Host], asleep: [String] = [], pools: [Pool] = [pool()]) -> Scene {
        var scene = Scene(pools, hosts: hosts)
        for host in hosts where host.power != nil { scene.state.hosts[host.id]?.power.unusedSince = scene.now }
        for name in asleep { scene.look(at: name, down) }
        scene.events = []
        return scene
    }

    // MARK: Waking

    private struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var choice = HostChoice()
        var hosts: [Host]
        var asleep: [String]
        var jobs = 1
        var launched: [String] = []
        var woken: [String] = []
        var reasons: [String] = []
    }

    private static let rows = [
        Row(testDescription: "one that is awake comes first", hosts: [host("a"), host("b")], asleep: ["a"], launched: ["b"]),
        Row(testDescription: "where none is, one is woken", hosts: [host("a"), host("b")], asleep: ["a", "b"], woken: ["a"], reasons: ["host-waking"]),
        Row(testDescription: "whoever is always on and does not answer is not called", hosts: [host("a", nil)], asleep: ["a"], reasons: ["engine-down"]),
        Row(
            testDescription: "as many are woken as the jobs need", hosts: [host("a", memory: 2), host("b", memory: 2), host("c", memory: 2)],
            asleep: ["a", "b", "c"], jobs: 3, woken: ["a", "b"], reasons: ["host-waking", "host-waking", "host-waking"]),
        Row(
            testDescription: "those that no host has room for wait", hosts: [host("a", memory: 1)], asleep: ["a"], jobs: 2, woken: ["a"],
            reasons: ["host-waking", "memory-budget"]),
        Row(
            testDescription: "what is full is helped by one that sleeps", hosts: [host("a", memory: 1, nil), host("b")], asleep: ["b"], jobs: 2,
            launched: ["a"], woken: ["b"], reasons: ["host-waking"]),
        Row(
            testDescription: "no more than the pool may have", hosts: [host("a", memory: 99)], asleep: ["a"], jobs: 11, woken: ["a"],
            reasons: ["at-maximum"] + Array(repeating: "host-waking", count: 10)),
        Row(
            testDescription: "a preferred one is worth its time where overflow would wait as long", choice: .init(prefer: ["b"], overflowAfter: .seconds(60)),
            hosts: [host("a"), host("b")], asleep: ["b"], woken: ["b"], reasons: ["host-waking"]),
        Row(
            testDescription: "and not where it would not", choice: .init(prefer: ["b"], overflowAfter: .seconds(59)), hosts: [host("a"), host("b")],
            asleep: ["b"], launched: ["a"]),
    ]

    @Test(arguments: rows)
    private func jobsWakeHosts(row: Row) {
        var scene = Self.scene(row.hosts, asleep: row.asleep, pools: [Self.pool(row.choice)])
        for id in 1...row.jobs { scene.queue(JobID(id)) }
        let plan = scene.plan()
        #expect(plan.hosts == row.launched && plan.woken == row.woken)
        #expect(plan.waiting.values.map(\.code).sorted() == row.reasons.sorted())
    }

    @Test func nativeIsWorthWaitingForAndEmulatedIsNot() {
        var pool = Self.pool()
        pool.hardware.architecture = .arm64
        var scene = Self.scene([Self.host("a", nil), Self.host("b")], pools: [pool])
        let emulator = Emulator(architecture: "arm64", interpreter: "/q", flags: "F", isEnabled: true)
        scene.take(.done(.survey(HostID("a")), .success(.host(HostFacts(architecture: .amd64, emulators: [emulator])))))
        scene.take(.done(.survey(HostID("b")), .success(.host(HostFacts(architecture: .arm64)))))
        scene.look(at: "b", Self.down)
        scene.queue(1)
        #expect(scene.plan().woken == ["b"] && scene.plan().launches.isEmpty)
    }

    @Test func aHostThatHasSleptSinceTheStartIsWokenToBeSeen() {
        var pool = Self.pool()
        pool.hardware.gpu = .nvidia
        var scene = Self.scene([Self.host("a")], pools: [pool])
        scene.state.hosts[HostID("a")]?.facts = nil
        scene.look(at: "a", Self.down)
        scene.queue(1)
        #expect(scene.plan().woken == ["a"])
    }

    @Test func gpusArePromisedBeforeTheirHostIsAwake() throws {
        var pool = Self.pool()
        pool.hardware.gpu = .nvidia
        var scene = Self.scene([Self.host("a")], pools: [pool])
        let gpu = GPU(id: "0", vendor: .nvidia, name: "T4", nodes: [])
        scene.take(.done(.survey(HostID("a")), .success(.host(HostFacts(architecture: .amd64, gpus: [gpu])))))
        scene.look(at: "a", Self.down)
        scene.queue(1, 2)
        let plan = scene.plan()
        #expect(plan.woken == ["a"] && plan.reason(1)?.code == "host-waking")
        #expect(try #require(plan.reason(2)).text == "the GPU is promised to other jobs")
    }

    @Test func aJobThatWaitedForAPreferredHostTakesTheNext() {
        let choice = HostChoice(prefer: ["b"], overflowAfter: .seconds(60))
        var scene = Self.scene([Self.host("a"), Self.host("b")], asleep: ["b"], pools: [Self.pool(choice)])
        scene.queue(1)
        scene.decideAll()
        scene.pass(.seconds(59))
        #expect(scene.plan().launches.isEmpty)
        scene.pass(.seconds(1))
        #expect(scene.plan().hosts == ["a"])
    }

    @Test func noOneIsSentToSleepWhileAJobMayYetTakeIt() {
        let choice = HostChoice(prefer: ["b"], overflowAfter: .seconds(60))
        var scene = Self.scene([Self.host("a"), Self.host("b")], asleep: ["b"], pools: [Self.pool(choice)])
        scene.pass(.seconds(1200))
        #expect(scene.plan().contains { $0 == .sleep(HostID("a")) })
        scene.queue(1)
        #expect(scene.plan().woken == ["b"] && !scene.plan().contains { $0 == .sleep(HostID("a")) })
    }

    @Test func itIsCalledOnceAndLookedAtUntilItAnswers() throws {
        var scene = Self.scene([Self.host("a")], asleep: ["a"])
        scene.queue(1)
        scene.decideAll()
        #expect(scene.told { $0 == .hostCalled })
        #expect(scene.plan().woken.isEmpty, "the call is under way")
        scene.take(.done(.wake(HostID("a")), .success(.done)))
        #expect(scene.plan().woken.isEmpty && scene.plan().reason(1)?.code == "host-waking")
        for _ in 0..<3 {
            scene.pass(.seconds(5))
            #expect(scene.plan().contains { $0 == .look(Scene.at("a")) })
            scene.look(at: "a", Self.down)
        }
        scene.pass(.seconds(5))
        scene.look(at: "a")
        #expect(scene.told { $0 == .hostWoke(after: .seconds(20)) })
        #expect(scene.plan().hosts == ["a"] && scene.plan().waiting.isEmpty)
    }

    @Test func oneThatDoesNotHearIsCalledTwiceAndThenLeftAloneForAWhile() throws {
        var scene = Self.scene([Self.host("a")], asleep: ["a"])
        scene.queue(1)
        scene.decideAll()
        scene.take(.done(.wake(HostID("a")), .success(.done)))
        scene.pass(.seconds(60))
        #expect(scene.plan().woken == ["a"])
        scene.decideAll()
        scene.take(.done(.wake(HostID("a")), .success(.done)))
        scene.pass(.seconds(59))
        #expect(scene.plan().reason(1)?.code == "host-waking")
        scene.pass(.seconds(1))
        let plan = scene.plan()
        #expect(plan.woken.isEmpty && plan.contains { $0 == .oversleep(HostID("a")) })
        scene.decideAll()
        let reason = try #require(scene.plan().reason(1))
        #expect(reason.code == "host-stays-asleep" && reason.text == "the host a does not wake: it was called 2 times, and does not answer")
        #expect(scene.events.filter { $0.kind == .hostCalled }.count == 1 && scene.told { if case .hostPowerFailed = $0 { true } else { false } })
        let until = try #require(scene.plan().wakeAt)
        scene.pass(until - scene.now)
        while scene.plan().reason(1)?.code == "host-stays-asleep", let next = scene.plan().wakeAt { scene.pass(next - scene.now) }
        #expect(scene.plan().woken == ["a"])
        // A person may have switched it on.
        scene.look(at: "a")
        #expect(scene.plan().hosts == ["a"])
    }

    @Test func aCallThatCannotBeMadeIsToldInItsWords() throws {
        var scene = Self.scene([Self.host("a")], asleep: ["a"])
        scene.queue(1)
        scene.decideAll()
        scene.take(.done(.wake(HostID("a")), .failure(Trouble("it ended with 1"))))
        #expect(try #require(scene.plan().reason(1)).text == "the host a does not wake: it could not be called: it ended with 1")
    }

    @Test func aHostThatWentOffWithARunnerIsWokenForANewJob() {
        var scene = Self.scene([Self.host("a")])
        scene.queue(1)
        scene.decideAll()
        scene.look(at: "a", Self.down)
        scene.queue(2)
        #expect(scene.plan().woken.isEmpty, "it may be a moment's trouble")
        scene.pass(Beat.elsewhere)
        #expect(scene.plan().woken == ["a"])
    }

    /// A start failed as it fell asleep, and nobody can look what came of it. When it is awake, that is cleared away first.
    @Test(arguments: [HostChoice(), HostChoice(needs: ["jtag": 1])])
    func aHostWhoseRoomIsHeldByWhatIsLeftThereIsWokenAllTheSame(choice: HostChoice) {
        var host = Self.host("a", memory: 1)
        host.resources = ["jtag": 1]
        var scene = Self.scene([host], asleep: ["a"], pools: [Self.pool(choice)])
        scene.add("left", .ended, on: HostID("a"))
        scene.state.runners["left"]?.equipment = Equipment(architecture: .amd64, resources: choice.needs)
        scene.queue(1)
        scene.pass(Beat.elsewhere)
        #expect(scene.plan().woken == ["a"] && scene.plan().reason(1)?.code == "host-waking", "\(scene.plan().waiting)")
        // Awake, it has no room before that is gone.
        scene.look(at: "a", nil)
        #expect(scene.plan().hosts == [] && scene.plan().reason(1)?.code == "making-room")
    }

    @Test func noOneIsWokenForAPoolThatIsPausedOrOnADrainedHost() {
        var scene = Self.scene([Self.host("a")], asleep: ["a"])
        scene.queue(1)
        scene.take(.ordered(.pause(pool: "p", true)))
        #expect(scene.plan().woken.isEmpty)
        scene.take(.ordered(.pause(pool: "p", false)))
        scene.take(.ordered(.drain(HostID("a"), true)))
        #expect(scene.plan().woken.isEmpty && scene.plan().reason(1)?.code == "host-drained")
    }

    @Test func warmRunnersAndAnOperatorWakeIt() throws {
        var warm = Self.pool()
        warm.warm = 1
        #expect(Self.scene([Self.host("a")], asleep: ["a"], pools: [warm]).plan().woken == ["a"])
        var scene = Self.scene([Self.host("a")], asleep: ["a"])
        scene.take(.ordered(.spawn(pool: "p")))
        #expect(scene.plan().woken == ["a"] && scene.plan().refusals["p"]?.code == "host-waking")
    }

    @Test func anIdleRunnerOfAnotherPoolMakesRoomSooner() {
        let other = Self.pool(.init(), "q", ["b"])
        var scene = Self.scene([Self.host("a", memory: 1, nil), Self.host("b")], asleep: ["b"], pools: [Self.pool(), other])
        scene.add("one", .ready, pool: other, on: HostID("a"))
        scene.queue(1)
        let plan = scene.plan()
        #expect(plan.woken.isEmpty && plan.reason(1)?.code == "making-room")
    }

    // MARK: Sleeping

    @Test func oneThatNobodyNeedsIsSentToSleep() throws {
        var scene = Self.scene([Self.host("a")])
        scene.add("one", .ready, on: HostID("a"))
        scene.pass(.seconds(7200))
        #expect(!scene.plan().contains { $0 == .sleep(HostID("a")) }, "while there is a runner")
        scene.remove("one")
        #expect(!scene.plan().contains { $0 == .sleep(HostID("a")) })
        scene.pass(.seconds(1199))
        #expect(!scene.plan().contains { $0 == .sleep(HostID("a")) })
        scene.pass(.seconds(1))
        #expect(scene.plan().contains { $0 == .sleep(HostID("a")) })
        scene.decideAll()
        scene.take(.done(.sleep(HostID("a")), .success(.done)))
        scene.queue(1)
        let plan = scene.plan()
        #expect(plan.launches.isEmpty && plan.woken.isEmpty && plan.reason(1)?.code == "host-waking", "it would not hear it yet")
        scene.events = []
        scene.look(at: "a", Self.down)
        #expect(scene.events.map(\.kind) == [.hostAsleep], "which is no trouble")
        #expect(scene.plan().woken.isEmpty, "nor might it, if it had trouble for a moment only")
        scene.look(at: "a")
        #expect(scene.plan().launches.isEmpty)
        scene.look(at: "a", Self.down)
        scene.pass(Beat.callAgain)
        #expect(scene.plan().woken == ["a"])
    }

    @Test func oneThatAPersonSwitchesOnAgainIsThere() {
        var scene = Self.scene([Self.host("a")])
        scene.pass(.seconds(1200))
        scene.decideAll()
        scene.take(.done(.sleep(HostID("a")), .success(.done)))
        scene.look(at: "a", Self.down)
        scene.pass(.seconds(3600))
        scene.events = []
        scene.look(at: "a")
        #expect(!scene.told { if case .hostPowerFailed = $0 { true } else { false } })
        scene.queue(1)
        #expect(scene.plan().hosts == ["a"])
    }

    @Test func oneThatSleepsIsNeverLostAndNoTrouble() {
        var scene = Self.scene([Self.host("a")], asleep: ["a"])
        scene.pass(.seconds(86_400))
        #expect(!scene.plan().contains { $0 == .lose(Scene.at("a")) })
        #expect(scene.state.isExpectedAway(Scene.at("a")) && scene.state.isAsleep(HostID("a")))
    }

    @Test func oneThatStaysAwakeIsToldAndTriedAgainLater() {
        var scene = Self.scene([Self.host("a")])
        scene.pass(.seconds(1200))
        scene.decideAll()
        scene.take(.done(.sleep(HostID("a")), .success(.done)))
        scene.pass(Beat.fallAsleep)
        scene.look(at: "a")
        #expect(scene.told { if case .hostPowerFailed = $0 { true } else { false } })
        #expect(!scene.plan().contains { $0 == .sleep(HostID("a")) })
        scene.queue(1)
        #expect(scene.plan().hosts == ["a"])
    }

    @Test(arguments: [(true, false), (false, true)])
    func aCommandThatSaysNotNowIsNoFailure(isOutage: Bool, isTold: Bool) {
        var scene = Self.scene([Self.host("a")])
        scene.pass(.seconds(1200))
        scene.decideAll()
        scene.take(.done(.sleep(HostID("a")), .failure(Trouble("it ended with 75", isOutage: isOutage))))
        #expect(scene.told { if case .hostPowerFailed = $0 { true } else { false } } == isTold)
        scene.queue(1)
        #expect(scene.plan().launches.isEmpty, "it may sleep all the same")
        scene.take(.hook(.default, Scene.seen(1, .canceled)))
        scene.pass(Beat.fallAsleep)
        scene.events = []
        scene.look(at: "a")
        #expect(!scene.told { if case .hostPowerFailed = $0 { true } else { false } })
        scene.pass(.seconds(1199))
        #expect(!scene.plan().contains { $0 == .sleep(HostID("a")) })
        scene.pass(.seconds(1))
        #expect(scene.plan().contains { $0 == .sleep(HostID("a")) })
    }

    @Test func aHostWithoutASleepCommandIsSentNowhereAndADrainedOneStays() {
        var scene = Self.scene([Self.host("a", HostPower(wakeTime: .seconds(60)))])
        scene.pass(.seconds(86_400))
        #expect(!scene.plan().contains { $0 == .sleep(HostID("a")) })
        scene = Self.scene([Self.host("a")])
        scene.take(.ordered(.drain(HostID("a"), true)))
        scene.pass(.seconds(86_400))
        #expect(!scene.plan().contains { $0 == .sleep(HostID("a")) }, "somebody may be working on it")
    }
}

extension Scene {
    fileprivate static func at(_ host: String) -> Place { Place(HostID(host), .container) }

    fileprivate mutating func look(at host: String, _ trouble: Trouble? = nil) {
        take(.decided(.look(Self.at(host))))
        take(.done(.look(Self.at(host)), trouble.map { .failure($0) } ?? .success(.objects([]))))
    }

    fileprivate mutating func remove(_ id: RunnerID) {
        guard let runner = state.runners[id] else { return }
        take(.decided(.end(id, reason: "", failed: false)))
        take(.done(.remove(id, runner.place, runner.registration), .success(.removal(container: nil, registration: nil))))
    }

    /// Only the decisions that need no answer, and the intents of the others.
    fileprivate mutating func decideAll() { for action in plan().actions { take(.decided(action)) } }
}

extension Plan {
    fileprivate var woken: [String] { actions.compactMap { if case .wake(let host) = $0 { host.name } else { nil } }.sorted() }
}
