import Testing

@testable import Fleet

@Suite struct UsageTests {
    private func sample(_ id: String, cpu: Double, _ memory: Int64, kills: Int? = nil, ofJob: Bool = false) -> ResourceSample {
        ResourceSample(id: id, cpu: .seconds(cpu), memory: memory, memoryKills: kills, isOfJob: ofJob)
    }

    // MARK: The meter

    @Test func ofARunnerThatWasThereBeforeOnlyTheDifferenceCounts() {
        var meter = UsageMeter(job: 1)
        meter.take([sample("r", cpu: 100, 50, kills: 3)], at: Scene.start)
        #expect(meter.usage == nil)
        meter.take([sample("r", cpu: 102.5, 80, kills: 3)], at: Scene.start + .seconds(5))
        meter.take([sample("r", cpu: 104, 20, kills: 4)], at: Scene.start + .seconds(10))
        #expect(meter.usage == JobUsage(cpuSeconds: 4, peakMemory: 80, memoryKills: 1, measuredSeconds: 10))
    }

    @Test func containersOfTheJobCountFromTheirBeginningAndTogether() {
        var meter = UsageMeter(job: 1)
        meter.take([], at: Scene.start)
        meter.take([sample("helper", cpu: 1, 10, ofJob: true)], at: Scene.start + .seconds(5))
        meter.take([sample("build", cpu: 2, 70, ofJob: true), sample("service", cpu: 3, 30, ofJob: true)], at: Scene.start + .seconds(10))
        meter.take([sample("build", cpu: 6, 60, ofJob: true)], at: Scene.start + .seconds(15))
        #expect(meter.usage == JobUsage(cpuSeconds: 10, peakMemory: 100, measuredSeconds: 10))
    }

    @Test func aCounterThatGoesBackAddsNothing() {
        var meter = UsageMeter(job: 1)
        meter.take([sample("r", cpu: 9, 1)], at: Scene.start)
        meter.take([sample("r", cpu: 2, 1)], at: Scene.start + .seconds(5))
        #expect(meter.usage?.cpuSeconds == 0)
    }

    @Test func aKillThatOnlyAnEventTellsOfCountsOnce() {
        var meter = UsageMeter(job: 1)
        meter.heardOfKill()
        #expect(meter.usage == nil)
        meter.take([sample("c", cpu: 1, 1, ofJob: true)], at: Scene.start)
        #expect(meter.usage?.memoryKills == 1)
        meter.take([sample("c", cpu: 1, 1, kills: 1, ofJob: true)], at: Scene.start)
        #expect(meter.usage?.memoryKills == 1)
    }

    @Test(arguments: [
        ([], nil), ([100, 180], nil), ([100, 180, 20], "used at most 180 MiB of 2 GiB in the last 3 jobs of this name"),
    ])
    func aHintSaysWhatTheLimitCouldBe(peaks: [Int64], hint: String?) {
        #expect(JobUsage.hint(peaks.map { JobUsage(peakMemory: $0 << 20, memoryLimit: 2 << 30) }) == hint)
    }

    @Test func aHintSaysThatTheLimitIsTooSmall() {
        let usages = [1, 0, 0].map { JobUsage(peakMemory: 90 << 20, memoryKills: $0, memoryLimit: 100 << 20) }
        #expect(JobUsage.hint(usages) == "the kernel killed processes of 1 of the last 3 jobs of this name at the memory limit of 100 MiB")
    }

    // MARK: The loop

    private func samples(_ plan: Plan) -> [Action] { plan.actions.filter { if case .sample = $0 { true } else { false } } }

    @Test func nothingIsMeasuredWhileNothingRuns() {
        var scene = Scene()
        scene.add("r", .ready)
        #expect(samples(scene.plan()) == [])
    }

    @Test func aJobIsMeasuredAtOnceAndThenEveryFiveSeconds() throws {
        var scene = Scene()
        scene.add("r", .ready)
        scene.hook(Scene.seen(1, .running, runner: 100))
        let action = Action.sample(Scene.place)
        #expect(samples(scene.plan()) == [action])
        scene.take(.decided(action))
        #expect(samples(scene.plan()) == [])
        scene.take(.done(action, .success(.use(["r": [sample("r", cpu: 1, 5)]], of: ["r": 1]))))
        scene.pass(.seconds(4))
        #expect(samples(scene.plan()) == [])
        #expect(try #require(scene.plan().wakeAt) <= scene.now + .seconds(1))
        scene.pass(.seconds(1))
        #expect(samples(scene.plan()) == [action])
        scene.take(.decided(action))
        scene.take(.done(action, .success(.use(["r": [sample("r", cpu: 3, 9)]], of: ["r": 1]))))
        scene.changes = []
        scene.hook(Scene.seen(1, .success, runner: 100))
        let used = scene.changes.compactMap { if case .job(let job) = $0 { job.usage } else { nil } }
        #expect(used == [JobUsage(cpuSeconds: 2, peakMemory: 9, measuredSeconds: 5, memoryLimit: 1 << 30)])
        #expect(samples(scene.plan()) == [])
    }

    @Test func anAnswerAboutTheJobBeforeIsNotThisOnes() {
        var scene = Scene()
        scene.add("r", .ready)
        scene.hook(Scene.seen(1, .running, runner: 100))
        scene.take(.decided(.sample(Scene.place)))
        scene.hook(Scene.seen(2, .running, runner: 100))
        scene.take(.done(.sample(Scene.place), .success(.use(["r": [sample("c", cpu: 50, 5, ofJob: true)]], of: ["r": 1]))))
        #expect(scene.state.jobs[Scene.ref(2)].flatMap { scene.state.usage(of: $0.job) } == nil)
        // It was asked too early for this one, which is measured from its own beginning.
        #expect(samples(scene.plan()) == [.sample(Scene.place)])
    }

    @Test func whatCannotBeMeasuredIsTriedAgainWithGrowingPausesAndIsNoTrouble() {
        var scene = Scene()
        scene.add("r", .ready)
        scene.hook(Scene.seen(1, .running, runner: 100))
        for _ in 0..<6 {
            scene.take(.decided(.sample(Scene.place)))
            scene.take(.done(.sample(Scene.place), .failure(Trouble("no such path", isOutage: true))))
            #expect(samples(scene.plan()) == [])
            scene.pass(.seconds(30))
        }
        #expect(scene.state.places[Scene.place]?.reach.trouble == nil)
        #expect(samples(scene.plan()) == [.sample(Scene.place)])
        #expect(!scene.told { if case .driverTrouble = $0 { true } else { false } })
    }

    @Test func aKillAtTheMemoryLimitIsKeptWithTheJobAndTellsItsLimit() {
        var scene = Scene()
        scene.add("r", .ready)
        scene.hook(Scene.seen(1, .running, runner: 100))
        scene.take(.heard(Scene.place, .outOfMemory(runner: "r", inContainerOfJob: true)))
        #expect(scene.told { $0 == .outOfMemory(limit: 1 << 30) })
        scene.take(.done(.sample(Scene.place), .success(.use(["r": [sample("c", cpu: 1, 5, ofJob: true)]], of: ["r": 1]))))
        #expect(scene.state.jobs[Scene.ref(1)].flatMap { scene.state.usage(of: $0.job) }?.memoryKills == 1)
    }
}
