import Testing

@testable import Fleet
@testable import Notify

@Suite struct ConcernTests {
    private static let start = DeskTests.start
    private static let place = Place(.local, .container)

    private static func pool(_ name: String, _ tags: [String]) -> Pool {
        var pool = Pool(name: name)
        pool.tags = tags
        return pool
    }

    /// Everything answers.
    private static func state() -> FleetState {
        var state = FleetState(.init(pools: [pool("p", ["a"]), pool("q", ["b"])], diskReserve: 2 << 30), seed: 1)
        _ = state.take(.remembered(Memory(instance: "i", jobs: [], runners: [], finishedJobs: [], pausedPools: [])), at: start)
        _ = state.take(.done(.look(place), .success(.objects([]))), at: start)
        _ = state.take(.done(.poll(.default), .success(.poll(Poll(jobs: [], isComplete: true)))), at: start)
        return state
    }

    @Test func whatIsNotKnownYetIsNotWrong() {
        #expect(FleetState(.init(pools: [Self.pool("p", ["a"])]), seed: 1).concerns(gitlab: "http://h").isEmpty)
        #expect(Self.state().concerns(gitlab: "http://h").isEmpty)
    }

    /// What happens, the key of what is wrong then, and what mends it.
    private static let troubles: [(key: String, begin: Observation, end: Observation)] = [
        (
            "gitlab/gitlab", .done(.poll(.default), .failure(Trouble("no route", isOutage: true))),
            .done(.poll(.default), .success(.poll(Poll(jobs: [], isComplete: true))))
        ),
        (
            "token/refused/gitlab", .done(.poll(.default), .failure(Trouble("401", tokenRefused: true))),
            .done(.poll(.default), .success(.poll(Poll(jobs: [], isComplete: true))))
        ),
        ("token/warned", .warned(by: "token", ["it ends"]), .warned(by: "token", [])),
        ("engine/container", .done(.look(place), .failure(Trouble("refused", isOutage: true))), .done(.look(place), .success(.objects([])))),
        ("store", .stored(Trouble("disk full", isOfStore: true)), .stored(nil)),
    ]

    @Test(arguments: troubles.indices) func troublesOfTheWorldLastUntilTheyAreMended(index: Int) {
        let (key, begin, end) = Self.troubles[index]
        var state = Self.state()
        _ = state.take(begin, at: Self.start)
        #expect(state.concerns(gitlab: "http://h").map(\.key) == [key])
        _ = state.take(end, at: Self.start)
        #expect(state.concerns(gitlab: "http://h").isEmpty)
    }

    @Test func whatIsAwaySaysNothingAboutTheRest() {
        let fresh = FleetState(.init(pools: [Self.pool("p", ["a"])]), seed: 1)
        #expect(fresh.unsureConcerns == [.store, .gitlab, .token, .engine, .disk, .gpu])
        var state = Self.state()
        _ = state.take(.stored(nil), at: Self.start)
        _ = state.take(.done(.survey(.local), .success(.host(HostFacts(architecture: .amd64)))), at: Self.start)
        #expect(state.unsureConcerns.isEmpty)
        let job = Self.job(1, ["x"])
        state.jobs[job.id] = TrackedJob(job)
        state.waiting[job.id] = .engineDown(Self.place, "away")
        #expect(state.unsureConcerns == [.waiting])
        _ = state.take(.done(.poll(.default), .failure(Trouble("no route", isOutage: true))), at: Self.start)
        #expect(state.unsureConcerns == [.waiting, .token])
        // Who refuses a token answers.
        state.waiting = [:]
        _ = state.take(.done(.poll(.default), .failure(Trouble("401", tokenRefused: true))), at: Self.start)
        #expect(state.unsureConcerns.isEmpty)
    }

    @Test func aPoolInQuarantineIsOneUntilAStartWorks() throws {
        var state = Self.state()
        for count in 1...5 {
            state.pools[0].failed("no image", at: Self.start + .seconds(count * 1000), jitter: 1)
            #expect(state.concerns(gitlab: "http://h").map(\.key) == (count < 5 ? [] : ["quarantine/p"]))
        }
        let concern = try #require(state.concerns(gitlab: "http://h").first)
        #expect(concern.pool == "p" && concern.text.contains("no image"))
    }

    @Test func aStuckRunnerIsOne() throws {
        var state = Self.state()
        state.runners["abcd2345"] = Runner(id: "abcd2345", pool: state.pools[0].pool, launchedFor: nil, at: Self.start)
        var progress = Progress()
        progress.stuck = "busy"
        state.progress["abcd2345"] = progress
        let concern = try #require(state.concerns(gitlab: "http://h").first)
        #expect(concern.key == "stuck/abcd2345" && concern.text.contains("busy") && concern.pool == "p")
    }

    private static func job(_ id: JobID, _ tags: [String], waitsFor seconds: Int = 0) -> Job {
        var job = Job(JobObservation(id: id, projectID: 1, status: .pending, tags: tags), of: .default, at: start)
        (job.projectPath, job.name, job.pendingAt) = ("g/p", "build", start + .seconds(-seconds))
        return job
    }

    /// Forty jobs for a tag that no pool has are one trouble, told with the one that waits longest.
    @Test func jobsThatNothingServesAreOneForEachReason() {
        var state = Self.state()
        for (id, tags, seconds) in [(1, ["x"], 5), (2, ["x"], 50), (3, ["x"], 6), (4, ["y"], 1)] as [(JobID, [String], Int)] {
            let job = Self.job(id, tags, waitsFor: seconds)
            state.jobs[job.id] = TrackedJob(job)
            state.waiting[job.id] = .noPoolHasTags(tags)
        }
        let concerns = state.concerns(gitlab: "http://h/")
        #expect(concerns.map(\.key) == ["waiting/gitlab/no-pool/x", "waiting/gitlab/no-pool/y"])
        #expect(concerns.map(\.job) == [2, 4] && concerns[0].since == Self.start + .seconds(-50) && concerns[0].link == "http://h/g/p/-/jobs/2")
        #expect(concerns[0].text == "build of g/p: no pool has the tag x. 2 others wait for the same reason.")
    }

    /// A runner that is busy will serve it, and what is a trouble of its own is told as that.
    @Test(arguments: [
        (WaitingReason.noPoolForUntagged, true), (.noPoolHasTags(["x"]), true), (.noPoolHasAllTags(["x"]), true), (.held, true), (.poolPaused("p"), true),
        (.hostUnfit(pool: "p", why: "w"), true), (.noGPU(pool: "p", vendor: .amd, wanted: 1, found: 0), true), (.gitlabRefuses("w"), true),
        (.startingUp, false), (.tagsUnknown, false), (.gitlabAway("w"), false), (.engineDown(place, "w"), false), (.atMaximum(pool: "p", max: 1), false),
        (.quarantined(pool: "p", error: "e"), false), (.backingOff(pool: "p", error: "e"), false), (.memoryBudget(promised: 1, bound: 1), false),
        (.gpusInUse(total: 1, runners: []), false), (.diskReserve(free: 1, reserve: 2), false), (.launchesAtBound(8), false), (.evacuating, false),
    ])
    func onlyWhatNobodyWillServeIsTold(reason: WaitingReason, isTold: Bool) {
        var state = Self.state()
        let job = Self.job(1, ["x"])
        state.jobs[job.id] = TrackedJob(job)
        state.waiting[job.id] = reason
        #expect(state.concerns(gitlab: "http://h").isEmpty == !isTold)
    }
}
