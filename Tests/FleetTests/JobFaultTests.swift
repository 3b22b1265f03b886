import Testing

@testable import Fleet

/// What GitLab, its proxies and lost messages do to jobs: a test for each fault that was reported or found.
@Suite struct JobFaultTests {
    private func gone(_ scene: inout Scene) { scene.take(.done(.ask(Scene.ref(1), project: 1), .success(.job(nil)))) }
    private let second = Timestamp(milliseconds: 1_764_000_001_000)

    // MARK: Out of order

    /// GitLab sends webhooks side by side: that of the runner's next job can come before that of its last job's end.
    @Test func aJobWhoseEndComesAfterTheNextOnesBeginIsToldWithItsUse() throws {
        var scene = Scene()
        scene.add("one")
        scene.hook(Scene.seen(1, .running, runner: 100))
        for seconds in [0.0, 2] {
            scene.take(.decided(.sample(Scene.place)))
            let sample = ResourceSample(id: "one", cpu: .seconds(seconds), memory: 5)
            scene.take(.done(.sample(Scene.place), .success(.use(["one": [sample]], of: ["one": 1]))))
            scene.pass(.seconds(5))
        }
        scene.hook(Scene.seen(2, .running, runner: 100))
        scene.events = []
        scene.take(.hook(.default, Scene.seen(1, .success, runner: 100)))
        let told = try #require(scene.events.first { $0.kind == .jobFinished })
        #expect(told.job?.id == Scene.ref(1) && told.runner?.id == "one" && told.job?.usage?.cpuSeconds == 2)
        #expect(scene.state.runners["one"]?.currentJob == 2)
    }

    @Test func theEndOfAJobIsToldOnceAndWithItsResult() throws {
        var scene = Scene()
        scene.add("one")
        scene.hook(Scene.seen(1, .running, runner: 100))
        scene.events = []
        scene.take(.done(.verify("one", RegistrationRef(.default, 100)), .success(.jobs([], contacted: true))))
        #expect(scene.state.runners["one"]?.isBusy == false && !scene.told { $0 == .jobFinished })
        #expect(scene.plan().contains { $0 == .ask(Scene.ref(1), project: 1) })
        scene.answer(Scene.seen(1, .failed, runner: 100))
        #expect(scene.events.filter { $0.kind == .jobFinished }.map(\.job?.status) == [.failed])
    }

    /// Whoever reads of the runner wants to know what it took along.
    @Test func aRunnerThatEndsInItsJobNamesIt() {
        var scene = Scene()
        scene.add("one")
        scene.hook(Scene.seen(1, .running, runner: 100))
        scene.events = []
        scene.take(.heard(Scene.place, .exited(runner: "one", exitCode: 137)))
        let told = scene.events.first { if case .exited = $0.kind { true } else { false } }
        #expect(told?.job?.id == Scene.ref(1) && told?.runner?.id == "one")
    }

    /// With each runner that becomes idle the first of many jobs could be its next, and then GitLab gives it another.
    @Test func whyAJobWaitsIsToldOnceAndNotWithEachRunnerThatItDidNotGet() {
        var scene = Scene()
        scene.queue(1)
        func explain(_ reason: WaitingReason?) { _ = scene.take(.explained(reason.map { [Scene.ref(1): $0] } ?? [:])) }
        func told() -> Int { scene.events.count { if case .jobWaits = $0.kind { true } else { false } } }
        explain(.atMaximum(pool: "p", max: 1))
        explain(nil)
        explain(.atMaximum(pool: "p", max: 1))
        #expect(told() == 1 && scene.state.jobs[Scene.ref(1)]?.job.waitingReason != nil)
        explain(.gitlabAway("x"))
        explain(.atMaximum(pool: "p", max: 1))
        #expect(told() == 3)
    }

    // MARK: Gone

    @Test func goneIsBelievedAfterTwoAnswersThatAreApart() {
        var scene = Scene()
        scene.queue(1)
        gone(&scene)
        #expect(scene.state.jobs[Scene.ref(1)] != nil)
        scene.pass(.seconds(29))
        gone(&scene)
        #expect(scene.state.jobs[Scene.ref(1)] != nil, "two answers, but not 30 s apart")
        scene.pass(.seconds(1))
        gone(&scene)
        #expect(scene.state.jobs[Scene.ref(1)] == nil && scene.told { $0 == .jobGone })
    }

    @Test func whatIsNotGitLabsAnswerIsTroubleAndNoAnswer() {
        var scene = Scene()
        scene.queue(1)
        for _ in 0..<5 {
            scene.take(.done(.ask(Scene.ref(1), project: 1), .failure(Trouble("404 in plain text", isOutage: true))))
            scene.pass(.seconds(60))
        }
        #expect(scene.state.jobs[Scene.ref(1)]?.job.status == .pending)
        #expect(scene.plan().reason(1)?.code == "gitlab-away")
    }

    @Test(arguments: [false, true]) func whatIsSeenAliveAgainLives(byHook: Bool) {
        var scene = Scene()
        scene.queue(1)
        gone(&scene)
        scene.pass(.seconds(30))
        gone(&scene)
        if byHook { scene.hook(Scene.seen(1)) } else { scene.answer(Scene.seen(1)) }
        #expect(scene.state.jobs[Scene.ref(1)]?.job.status == .pending && scene.plan().launches == ["p:1"])
        // The first answer counts for nothing any more.
        scene.pass(.seconds(60))
        gone(&scene)
        #expect(scene.state.jobs[Scene.ref(1)] != nil)
    }

    @Test func anAnswerBetweenTwoThatDenyStartsOver() {
        var scene = Scene()
        scene.queue(1)
        gone(&scene)
        scene.pass(.seconds(20))
        scene.answer(Scene.seen(1))
        scene.pass(.seconds(20))
        gone(&scene)
        #expect(scene.state.jobs[Scene.ref(1)] != nil)
    }

    // MARK: Polls

    private func poll(_ scene: inout Scene, _ jobs: [JobObservation], complete: Bool = true, remarks: [String] = []) {
        scene.take(.decided(.poll(.default)))
        scene.pass(.milliseconds(10))
        scene.take(.done(.poll(.default), .success(.poll(Poll(jobs: jobs, isComplete: complete, remarks: remarks)))))
    }

    /// The list is told whole at every poll, so a job that a list misses is asked about however often it was "unchanged".
    @Test(arguments: [true, false]) func aJobThatNoListShowsIsAskedAbout(complete: Bool) {
        var scene = Scene()
        scene.queue(1)
        scene.pass(.seconds(1))
        poll(&scene, [], complete: complete)
        #expect(scene.plan().actions.contains(.ask(Scene.ref(1), project: 1)))
        #expect(scene.state.jobs[Scene.ref(1)] != nil)
    }

    @Test func aHookThatCameDuringThePollIsNoAbsence() {
        var scene = Scene()
        scene.take(.decided(.poll(.default)))
        scene.pass(.milliseconds(5))
        scene.queue(1)
        scene.take(.done(.poll(.default), .success(.poll(Poll(jobs: [], isComplete: true)))))
        #expect(!scene.plan().actions.contains(.ask(Scene.ref(1), project: 1)))
    }

    @Test func aProjectThatAnswers403IsToldOnceAndNotAtEachPoll() {
        var scene = Scene()
        let remark = "the project a/b: 403"
        for _ in 0..<3 { poll(&scene, [Scene.seen(1)], complete: false, remarks: [remark]) }
        #expect(scene.events.filter { $0.kind == .pollRemark(remark) }.count == 1)
        #expect(scene.state.jobs[Scene.ref(1)] != nil, "the others' jobs are seen")
        poll(&scene, [Scene.seen(1)], complete: false, remarks: ["the project c/d: 403"])
        poll(&scene, [Scene.seen(1)])
        #expect(scene.events.count { if case .pollRemark = $0.kind { true } else { false } } == 2 && scene.told { $0 == .pollComplete })
    }

    @Test func jobsWithUnknownTagsAreAskedAboutAndNotTakenForUntagged() {
        var scene = Scene([Scene.pool("p", ["a"], untagged: true)])
        scene.queue(1, tags: nil)
        #expect(scene.plan().launches.isEmpty && scene.plan().actions.contains(.ask(Scene.ref(1), project: 1)))
        scene.answer(Scene.seen(1, tags: []))
        #expect(scene.plan().launches == ["p:1"])
    }

    @Test func fewQuestionsAreAskedAtOnceAndNoneOfAGitLabInTrouble() {
        var scene = Scene()
        for id in 1...50 as ClosedRange<JobID> { scene.queue(id, tags: nil) }
        let questions = scene.plan().actions.filter { if case .ask = $0 { true } else { false } }
        #expect(questions.count == Questions.atOnce)
        for question in questions { scene.take(.decided(question)) }
        #expect(!scene.plan().contains { if case .ask = $0 { true } else { false } })
        scene.take(.done(questions[0], .failure(Trouble("502", isOutage: true))))
        #expect(!scene.plan().contains { if case .ask = $0 { true } else { false } })
    }

    /// One lost hook leaves nothing behind for good, though nothing is polled.
    @Test func withoutPollingJobsAreLookedAtFromTimeToTime() {
        var scene = Scene(polling: .zero)
        scene.queue(1)
        scene.hook(Scene.seen(2, .running, runner: 5))
        scene.pass(.seconds(60))
        #expect(scene.plan().contains { $0 == .ask(Scene.ref(2), project: 1) } && !scene.plan().contains { $0 == .ask(Scene.ref(1), project: 1) })
        scene.pass(.seconds(240))
        #expect(scene.plan().contains { $0 == .ask(Scene.ref(1), project: 1) })
    }

    // MARK: Identity

    @Test func aGitLabInstalledAfreshGivesAnIDToAnotherJob() {
        var scene = Scene()
        scene.hook(Scene.seen(1, created: Scene.start))
        scene.hook(Scene.seen(1, .running, runner: 5, created: Scene.start))
        scene.hook(Scene.seen(1, .success, runner: 5, created: Scene.start))
        #expect(scene.state.jobs.isEmpty)
        // The same job, late: it stays over.
        scene.hook(Scene.seen(1, created: Scene.start))
        #expect(scene.state.jobs.isEmpty)
        scene.hook(Scene.seen(1, created: second))
        #expect(scene.state.jobs[Scene.ref(1)]?.job.createdAt == second && scene.plan().launches == ["p:1"])
    }

    @Test func aLiveJobIsReplacedAndItsRunnerIsFree() {
        var scene = Scene()
        scene.add("one", gitlab: 5)
        scene.hook(Scene.seen(1, .running, runner: 5, created: Scene.start))
        #expect(scene.state.runners["one"]?.currentJob == 1)
        scene.hook(Scene.seen(1, created: second))
        #expect(scene.state.runners["one"]?.currentJob == nil && scene.told { $0 == .jobReplaced })
        #expect(scene.state.jobs[Scene.ref(1)]?.job.status == .pending)
    }

    @Test func aLateHookOfTheOldInstallationIsToldAndIgnored() {
        var scene = Scene()
        scene.hook(Scene.seen(1, created: second))
        scene.hook(Scene.seen(1, .failed, created: Scene.start))
        #expect(scene.state.jobs[Scene.ref(1)]?.job.status == .pending && scene.told { $0 == .staleHook })
    }

    @Test func anAbsentCreationTimeMatchesAndIsLearned() {
        var scene = Scene()
        scene.hook(Scene.seen(1))
        scene.answer(Scene.seen(1, created: second))
        #expect(scene.state.jobs[Scene.ref(1)]?.job.createdAt == second && scene.state.jobs.count == 1)
    }

    @Test func jobsOfTwoGitLabsWithOneIDAreTwo() {
        var other = Scene.pool("q")
        other.forge = ForgeID("work")
        var scene = Scene([Scene.pool("p"), other])
        scene.take(.hook(.default, Scene.seen(1)))
        scene.take(.hook(other.forge, Scene.seen(1)))
        #expect(scene.state.jobs.count == 2)
    }

    // MARK: Status

    @Test func aSkippedJobComesBackUnderItsID() {
        var scene = Scene()
        for status in [JobStatus.created, .skipped, .created, .pending] { scene.hook(Scene.seen(1, status)) }
        #expect(scene.plan().launches == ["p:1"])
    }

    @Test func aJobThatGitLabSaysIsSkippedWaitsNoMoreUntilItIsRetried() {
        var scene = Scene()
        scene.queue(1)
        // A hook may be from before a retry, so GitLab is asked.
        scene.hook(Scene.seen(1, .skipped))
        #expect(scene.state.jobs[Scene.ref(1)]?.job.status == .pending && scene.plan().actions.contains(.ask(Scene.ref(1), project: 1)))
        scene.answer(Scene.seen(1, .skipped))
        #expect(scene.state.jobs.isEmpty && scene.plan().launches.isEmpty)
        scene.hook(Scene.seen(1))
        #expect(scene.plan().launches == ["p:1"])
    }

    @Test func aJobThatMovesToAnotherRunnerFreesTheFirst() {
        var scene = Scene()
        scene.add("one", gitlab: 5)
        scene.add("two", gitlab: 6)
        scene.hook(Scene.seen(1, .running, runner: 5))
        scene.hook(Scene.seen(1, .running, runner: 6))
        #expect(scene.state.runners["one"]?.currentJob == nil && scene.state.runners["two"]?.currentJob == 1)
    }

    @Test func whatWasRememberedIsAskedForBeforeAnythingIsStartedForIt() {
        var scene = Scene()
        let job = Job(Scene.seen(1), of: .default, at: scene.now)
        scene.take(.remembered(Memory(instance: "i", jobs: [job], runners: [], finishedJobs: [], pausedPools: [])))
        for place in scene.state.placesInUse { scene.take(.done(.look(place), .success(.objects([])))) }
        #expect(scene.plan().launches.isEmpty && scene.plan().reason(1) == .startingUp)
        #expect(scene.plan().actions.contains(.ask(Scene.ref(1), project: 1)))
        scene.answer(Scene.seen(1))
        #expect(scene.plan().launches == ["p:1"])
    }
}
