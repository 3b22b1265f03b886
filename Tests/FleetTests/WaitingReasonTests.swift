import Testing

@testable import Fleet

/// Every pending job that has no runner on its way has a reason: a row for each.
@Suite struct WaitingReasonTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var expected: WaitingReason
        var scene: @Sendable () -> Scene

        init(
            _ name: String, _ expected: WaitingReason, _ pools: [Pool] = [Scene.pool()], budget: HostBudget = HostBudget(),
            _ make: @escaping @Sendable (inout Scene) -> Void
        ) {
            testDescription = name
            self.expected = expected
            scene = {
                var scene = Scene(pools, budget: budget)
                make(&scene)
                return scene
            }
        }
    }

    static let rows: [Row] = [
        Row("tags unknown", .tagsUnknown) { $0.queue(1, tags: nil) },
        Row("no pool takes untagged jobs", .noPoolForUntagged) { $0.queue(1, tags: []) },
        Row("no pool has the tag", .noPoolHasTags(["gpu"])) { $0.queue(1, tags: ["a", "gpu"]) },
        Row("no one pool has all", .noPoolHasAllTags(["a", "b"]), [Scene.pool("p", ["a"]), Scene.pool("q", ["b"])]) { $0.queue(1, tags: ["a", "b"]) },
        Row("evacuating", .evacuating) {
            $0.queue(1)
            $0.take(.ordered(.evacuate))
        },
        Row("GitLab is away", .gitlabAway("no route")) {
            $0.queue(1)
            $0.take(.done(.poll(.default), .failure(Trouble("no route", isOutage: true))))
        },
        Row("GitLab is away, and the tags are not known", .gitlabAway("no route")) {
            $0.queue(1, tags: nil)
            $0.take(.done(.poll(.default), .failure(Trouble("no route", isOutage: true))))
        },
        Row("the token is refused", .tokenRefused("401")) {
            $0.queue(1)
            $0.take(.done(.poll(.default), .failure(Trouble("401", tokenRefused: true))))
        },
        Row("GitLab just failed to register a runner", .gitlabAway("it failed to register a runner just now")) {
            $0.queue(1)
            $0.add("one", .requested)
            $0.take(.launching("one", .registrationFailed(Trouble("500", isOutage: true))))
            $0.take(.done(.launch("one", pool: "p", job: nil), .failure(Trouble("500", isOutage: true))))
            $0.take(.done(.ping(.default), .success(.done)))
        },
        Row("the disk is full", .storeNotWritable("no space")) {
            $0.queue(1)
            $0.take(.stored(Trouble("no space", isOfStore: true)))
        },
        Row("the engine is down", .engineDown(Scene.place, "no socket")) {
            $0.queue(1)
            $0.take(.done(.look(Scene.place), .failure(Trouble("no socket", isOutage: true))))
        },
        Row("the pool is paused", .poolPaused("p")) {
            $0.queue(1)
            $0.take(.ordered(.pause(pool: "p", true)))
        },
        Row("after a failed start", .backingOff(pool: "p", error: "boom")) {
            $0.queue(1)
            $0.state.pools[0].failed("boom", at: $0.now, jitter: 1)
        },
        Row("quarantine", .quarantined(pool: "p", error: "boom")) {
            $0.queue(1)
            // Each after the wait of the one before: what fails together is one failure.
            for _ in 0..<5 {
                $0.pass(.seconds(60))
                $0.state.pools[0].failed("boom", at: $0.now, jitter: 1)
            }
        },
        Row("one is tried", .probing(pool: "p")) {
            $0.queue(1, 2)
            $0.state.pools[0].failed("boom", at: $0.now, jitter: 1)
            $0.pass(.seconds(1))
            $0.add("one", .starting)
            $0.hook(Scene.seen(2, .running, runner: 5))
            $0.queue(3)
            $0.state.jobs[Scene.ref(1)]?.refusedAt = $0.now + .seconds(1)
        },
        Row("at its maximum", .atMaximum(pool: "p", max: 1), [Scene.pool(max: 1)]) {
            $0.add("one", job: 9)
            $0.queue(1)
        },
        Row("memory", .memoryBudget(promised: 1 << 30, bound: 1 << 30), budget: HostBudget(memory: 1 << 30)) {
            $0.add("one", job: 9)
            $0.queue(1)
        },
        Row("CPUs", .cpuBudget(promised: 2, bound: 3), budget: HostBudget(cpus: 3)) {
            $0.add("one", job: 9)
            $0.queue(1)
        },
        Row("launches at their bound", .launchesAtBound(8)) {
            for index in 0..<8 {
                $0.add("r\(index)", .requested, gitlab: Int64(index))
                $0.state.inFlight.insert(.runner("r\(index)"))
                $0.queue(JobID(100 + index))
            }
            $0.pass(.milliseconds(1))
            $0.queue(1)
        },
        Row("nobody took it", .held) {
            $0.queue(1)
            $0.take(.decided(.refuse(Scene.ref(1), by: "x")))
            $0.take(.decided(.refuse(Scene.ref(1), by: "y")))
        },
        Row("remembered from before, and not confirmed yet", .startingUp) {
            $0.queue(1)
            $0.state.jobs[Scene.ref(1)]?.confirmedAt = nil
        },
    ]

    @Test(arguments: rows)
    func everyJobWithoutARunnerHasAReason(row: Row) {
        let plan = row.scene().plan()
        #expect(plan.reason(1) == row.expected)
        #expect(!plan.launches.contains("p:1"))
    }

    /// Text, level and catalog entry come from the case.
    @Test func aReasonIsToldOnceAndFiguresAreNoNews() {
        var scene = Scene()
        scene.queue(1)
        let first = scene.take(.explained([Scene.ref(1): .memoryBudget(promised: 1 << 30, bound: 2 << 30)]))
        #expect(first.map(\.kind) == [.jobWaits(.memoryBudget(promised: 1 << 30, bound: 2 << 30))])
        #expect(scene.state.jobs[Scene.ref(1)]?.job.waitingReason?.contains("1024 of 2048 MiB") == true)
        #expect(scene.take(.explained([Scene.ref(1): .memoryBudget(promised: 2 << 30, bound: 2 << 30)])).isEmpty)
        let other = scene.take(.explained([Scene.ref(1): .noPoolHasTags(["gpu"])]))
        #expect(other.first?.severity == .warning && other.first?.incident == .noPoolFits)
        #expect(scene.take(.explained([:])).isEmpty && scene.state.jobs[Scene.ref(1)]?.job.waitingReason == nil)
    }
}
