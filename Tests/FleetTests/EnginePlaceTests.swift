import Testing

@testable import Fleet

/// Runners in scopes whose jobs have containers: they need two places, and either can be in trouble.
@Suite struct EnginePlaceTests {
    private static let scopes = Place(.local, .scope)
    private static let engine = Place(.local, .container)
    private let away = Trouble("the engine does not answer", isOutage: true)

    private static func pool(_ name: String = "s", _ executor: Executor = .docker, tags: [String] = ["a"]) -> Pool {
        var pool = Scene.pool(name, tags)
        (pool.driver, pool.configuredExecutor) = (.scope, executor)
        return pool
    }

    private func look(_ scene: inout Scene, _ place: Place, _ runners: RunnerID...) {
        scene.pass(.milliseconds(1))
        scene.take(.decided(.look(place)))
        scene.pass(.milliseconds(1))
        let objects = runners.map { DriverObject(id: $0, runner: $0, running: place == Self.scopes, started: place == Self.scopes, exitCode: nil) }
        scene.take(.done(.look(place), .success(.objects(objects))))
    }

    @Test(arguments: [
        (DriverKind.container, Executor.shell, [engine]), (.container, .docker, [engine]), (.scope, .shell, [scopes]), (.scope, .docker, [engine, scopes]),
    ])
    func whatAPoolNeeds(driver: DriverKind, executor: Executor, places: [Place]) {
        var pool = Pool(name: "p")
        (pool.driver, pool.configuredExecutor) = (driver, executor)
        #expect(pool.places == Set(places) && pool.engine == places.first { $0 == Self.engine })
        #expect(Scene([pool]).state.placesInUse == places)
    }

    /// Its pool may be gone, or have another executor now.
    @Test func aRunnersEngineIsLookedAtForAsLongAsItLives() {
        var scene = Scene([Self.pool()])
        scene.add("one")
        scene.take(.configured(.init(pools: [Self.pool("s", .shell)])))
        #expect(scene.state.placesInUse == [Self.engine, Self.scopes])
    }

    @Test func withoutItsEngineAPoolStartsNothingAndOthersDo() {
        var scene = Scene([Self.pool(), Self.pool("plain", .shell, tags: ["b"])])
        scene.queue(1)
        scene.queue(2, tags: ["b"])
        #expect(scene.plan().launches == ["s:1", "plain:2"])
        scene.take(.done(.look(Self.engine), .failure(away)))
        #expect(scene.plan().launches == ["plain:2"] && scene.plan().reason(1) == .engineDown(Self.engine, away.text))
    }

    @Test func aShortDiskHoldsItUpAndItsRunnersImageIsNoImage() {
        var pool = Self.pool()
        (pool.image, pool.docker.image) = ("runner:1", "jobs:1")
        var scene = Scene([pool, Self.pool("plain", .shell, tags: ["b"])])
        scene.take(.configured(.init(pools: scene.state.configuration.pools, diskReserve: 2 << 30)))
        #expect(scene.plan().contains { $0 == .measure(Self.engine) } && !scene.plan().contains { $0 == .measure(Self.scopes) })
        scene.take(.done(.measure(Self.engine), .success(.disk(DiskSpace(free: 1 << 30, total: 4 << 30)))))
        scene.queue(1)
        scene.queue(2, tags: ["b"])
        #expect(scene.plan().launches == ["plain:2"] && scene.plan().reason(1) == .diskReserve(free: 1 << 30, reserve: 2 << 30))
        let named = scene.state.imagesNamed(at: Self.engine)
        #expect(named.contains(ImageName.key("jobs:1")) && !named.contains(ImageName.key("runner:1")))
    }

    /// Making a scope takes a folder, so an outage then is the engine's.
    @Test func anOutageWhileOneIsMadeIsTheEngines() {
        var scene = Scene([Self.pool(), Self.pool("plain", .shell, tags: ["b"])])
        scene.add("one", .requested)
        scene.take(.launching("one", .creationFailed(away)))
        scene.queue(1)
        scene.queue(2, tags: ["b"])
        #expect(scene.plan().launches == ["plain:2"])
        #expect(scene.state.places[Self.scopes]?.reach.trouble == nil && scene.state.places[Self.engine]?.reach.trouble == away)
    }

    /// It may have come back with another socket, and then its runners' jobs fail until they are replaced.
    @Test func anEngineThatComesBackHasItsScopesLookedAt() {
        var scene = Scene([Self.pool(), Self.pool("plain", .shell, tags: ["b"])])
        scene.add("plain", pool: scene.state.pools[1].pool)
        scene.take(.heard(Self.engine, .resync))
        #expect(!scene.plan().contains { $0 == .look(Self.scopes) })
        scene.add("one", gitlab: 101)
        scene.take(.heard(Self.engine, .resync))
        #expect(scene.plan().contains { $0 == .look(Self.scopes) })
        scene.take(.decided(.look(Self.scopes)))
        let object = DriverObject(id: "one", runner: "one", running: true, started: true, exitCode: nil, retirement: .cutOff)
        scene.take(.done(.look(Self.scopes), .success(.objects([object]))))
        #expect(scene.plan().contains { if case .leave("one", _, failed: false) = $0 { true } else { false } })
    }

    // MARK: What jobs leave

    /// The engine's list shows containers of its job as it does those of a runner that is gone.
    @Test(arguments: [Runner.Phase.requested, .starting, .ready, .draining])
    func aLiveRunnersJobsAreNobodysOrphans(phase: Runner.Phase) {
        var scene = Scene([Self.pool()])
        scene.add("one", phase, job: phase >= .ready ? 1 : nil)
        if phase == .requested { scene.state.inFlight.insert(.runner("one")) }
        let before = scene.state.runners["one"]
        look(&scene, Self.engine, "one")
        #expect(scene.state.places[Self.engine]?.orphans.isEmpty == true && scene.state.runners["one"] == before)
        #expect(!scene.plan().contains { if case .removeOrphan = $0 { true } else { false } })
    }

    @Test func ofARunnerThatIsGoneTheyAreOrphansOfTheEngine() {
        var scene = Scene([Self.pool()])
        look(&scene, Self.engine, "gone2345")
        look(&scene, Self.scopes)
        #expect(scene.plan().contains { $0 == .removeOrphan(Self.engine, "gone2345") })
    }

    /// A container that the runner asked for just before it was killed, and the engine made after the removal.
    @Test func whatCameAfterTheRemovalIsRemovedByWhoeverHasTheRunner() {
        var scene = Scene([Self.pool()])
        scene.add("one", .ended)
        let removal = Action.remove("one", Self.scopes, RegistrationRef(.default, 100))
        #expect(scene.plan().contains { $0 == removal })
        scene.take(.decided(removal))
        scene.take(.done(removal, .success(.removal(container: nil, registration: away))))
        #expect(!scene.plan().contains { if case .remove(_, Self.scopes, _) = $0 { true } else { false } })
        look(&scene, Self.engine, "one")
        scene.pass(.seconds(120))
        #expect(scene.plan().contains { if case .remove("one", Self.scopes, _) = $0 { true } else { false } })
    }

    /// The scope goes at once, whatever the engine does; what is in the engine is asked for again when it answers.
    @Test func anEndDoesNotWaitForTheEngineAndItsRestDoes() {
        var scene = Scene([Self.pool()])
        scene.add("one", .ended)
        scene.take(.done(.look(Self.engine), .failure(away)))
        func removes() -> Bool { scene.plan().contains { if case .remove("one", Self.scopes, _) = $0 { true } else { false } } }
        #expect(removes())
        let removal = Action.remove("one", Self.scopes, RegistrationRef(.default, 100))
        scene.take(.decided(removal))
        scene.take(.done(removal, .success(.removal(container: Trouble("the scope is gone, but not what its jobs left", isOutage: false), registration: nil))))
        scene.pass(.seconds(3600))
        #expect(!removes() && scene.state.stuckReason(of: "one") == nil && scene.state.runners["one"] != nil)
        look(&scene, Self.engine)
        #expect(removes())
    }
}
