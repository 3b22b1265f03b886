import Testing

@testable import Fleet

/// Hosts that do not answer.
extension HostsTests {
    private func away(_ job: JobID? = nil) -> Scene {
        var scene = Scene([Self.pool(max: 1)], hosts: [Self.host("a"), Self.host("b")])
        scene.add("one", pool: Self.pool().on(HostID("a")), job: job)
        if let job { scene.hook(Scene.seen(job, .running, runner: 100)) }
        scene.take(.done(.look(Self.place("a")), .failure(Self.down)))
        return scene
    }

    @Test func aRunnerOfAHostThatIsAwayIsNoSupplyAfter30Seconds() {
        var scene = away()
        var configuration = scene.state.configuration
        configuration.pools[0].maxRunners = 2
        scene.take(.configured(configuration))
        scene.queue(1)
        #expect(scene.plan().hosts == [], "it may be back in a moment")
        #expect(scene.plan().wakeAt.map { $0 <= scene.now + Beat.elsewhere } == true)
        scene.pass(Beat.elsewhere)
        #expect(scene.plan().hosts == ["b"])
    }

    @Test func itCountsUntilItsHostIsLostAndNothingOfItIsRemoved() {
        var scene = away()
        scene.queue(1)
        scene.pass(.seconds(599))
        #expect(scene.plan().reason(1) == .atMaximum(pool: "p", max: 1))
        #expect(!scene.plan().contains { if case .leave = $0 { true } else if case .remove = $0 { true } else { false } })
        scene.pass(.seconds(1))
        #expect(scene.plan().actions.contains(.lose(Self.place("a"))))
        scene.take(.decided(.lose(Self.place("a"))))
        #expect(scene.told { $0 == .hostLost(away: .seconds(600), runners: 1) } && scene.told { $0 == .runnerLost })
        #expect(scene.plan().hosts == ["b"])
        #expect(!scene.plan().contains { if case .lose = $0 { true } else { false } }, "told once")
    }

    @Test(arguments: [nil, JobID(7)])
    func afterALossARunnerIsWantedThatHasAJob(job: JobID?) {
        var scene = away(job)
        scene.pass(.seconds(600))
        scene.take(.decided(.lose(Self.place("a"))))
        scene.take(.done(.look(Self.place("a")), .success(.objects([DriverObject(id: "c-one", runner: "one", running: true, started: true, exitCode: nil)]))))
        #expect(scene.told { $0 == .hostBack(runners: 1) })
        #expect(scene.plan().actions.contains(.leave("one", reason: "its host was lost for a while", failed: false)) == (job == nil))
        #expect(scene.state.runners["one"]?.currentJob == job)
    }

    @Test func aRegistrationStaysForADayBecauseItsRunnerMayHaveAJob() {
        var scene = away()
        scene.take(.decided(.end("one", reason: "did not quit in time", failed: true)))
        let registration = RegistrationRef(.default, 100)
        func removes(_ scene: Scene) -> Bool { scene.plan().actions.contains(.remove("one", nil, registration)) }
        #expect(!removes(scene))
        scene.pass(Beat.keepRegistrations + .milliseconds(-1))
        #expect(!removes(scene))
        scene.pass(.milliseconds(1))
        #expect(removes(scene))
    }

    /// A daemon that starts has not looked yet, and a host may be away.
    @Test func aRegistrationStaysUntilItsHostWasLookedAt() {
        var scene = away()
        scene.take(.decided(.end("one", reason: "its host is drained", failed: false)))
        scene.restart()
        func removes(_ scene: Scene) -> Bool { scene.plan().contains { if case .remove(_, _, .some) = $0 { true } else { false } } }
        #expect(!removes(scene))
        scene.take(.done(.look(Self.place("a")), .failure(Self.down)))
        #expect(!removes(scene))
        scene.take(.done(.look(Self.place("a")), .success(.objects([]))))
        #expect(removes(scene))
    }

    /// GitLab is to list it no longer. A runner that GitLab says has a job is left alone: the job's end is GitLab's to tell.
    @Test(arguments: [nil, JobID(7)])
    func aRunnerWithoutAJobIsGivenUpADayAfterItsHostWasLost(job: JobID?) {
        var scene = away(job)
        scene.pass(.seconds(600))
        scene.take(.decided(.lose(Self.place("a"))))
        scene.pass(Beat.keepRegistrations - .seconds(600) - .milliseconds(1))
        let leave = Action.leave("one", reason: "its host has been away for a day", failed: false)
        #expect(!scene.plan().actions.contains(leave))
        #expect(scene.plan().wakeAt.map { $0 <= scene.now + .milliseconds(1) } == true)
        scene.pass(.milliseconds(1))
        #expect(scene.plan().actions.contains(leave) == (job == nil))
        guard job == nil else { return }
        scene.take(.decided(leave))
        scene.state.runners["one"]?.phase = .stopping
        #expect(scene.plan().actions.contains(.end("one", reason: "its host has been away for a day", failed: false)), "nobody waits for its signal")
    }

    /// The machine is scrapped, its section deleted. While the section is there, it is waited for.
    @Test(arguments: [true, false])
    func aRunnerIsForgottenADayAfterItsHostWasTakenOut(isTakenOut: Bool) {
        var scene = away()
        if isTakenOut { scene.takeOut("a") }
        scene.pass(.seconds(600))
        scene.take(.decided(.lose(Self.place("a"))))
        scene.take(.decided(.end("one", reason: "its host is drained", failed: false)))
        #expect(!scene.plan().actions.contains(.forget("one")))
        scene.pass(Beat.keepRegistrations)
        #expect(scene.plan().actions.contains(.forget("one")) == isTakenOut)
        guard isTakenOut else { return }
        scene.take(.decided(.forget("one")))
        #expect(scene.told { $0 == .runnerForgotten })
        let registration = RegistrationRef(.default, 100)
        #expect(scene.plan().actions.contains(.remove("one", nil, registration)))
        scene.take(.done(.remove("one", nil, registration), .success(.removal(container: nil, registration: nil))))
        #expect(scene.state.runners.isEmpty)
    }

    @Test(arguments: [true, false])
    func whoeverRemovesItByForceFromAHostThatIsTakenOutNeedNotWait(isTakenOut: Bool) {
        var scene = away()
        if isTakenOut { scene.takeOut("a") }
        scene.take(.ordered(.dismiss("one", force: true)))
        #expect(scene.told { $0 == .runnerForgotten } == isTakenOut)
        #expect(scene.plan().actions.contains(.remove("one", nil, RegistrationRef(.default, 100))) == isTakenOut)
    }

    @Test func aDrainedHostWithoutRunnersMayBeOff() {
        var scene = away()
        scene.take(.ordered(.drain(HostID("a"), true)))
        #expect(!scene.state.isExpectedAway(Self.place("a")), "its runner is still there")
        scene.state.runners["one"] = nil
        #expect(scene.state.isExpectedAway(Self.place("a")) && !scene.state.isExpectedAway(Self.place("b")))
    }

    @Test func thisMachineIsNeverLost() {
        var scene = Scene([Self.pool(max: 1)])
        scene.add("one")
        scene.take(.done(.look(Scene.place), .failure(Self.down)))
        scene.pass(.seconds(86_400))
        #expect(!scene.plan().contains { if case .lose = $0 { true } else { false } })
        scene.take(.decided(.end("one", reason: "did not quit in time", failed: true)))
        #expect(scene.plan().actions.contains(.remove("one", nil, RegistrationRef(.default, 100))), "as before there were hosts")
    }

    @Test func aStartThatWasNeverAnsweredIsNotHeldAgainstAPoolWhileItsHostIsAway() {
        var scene = Scene([Self.pool()], hosts: [Self.host("a")])
        scene.add("one", .starting, pool: Self.pool().on(HostID("a")))
        scene.take(.done(.look(Self.place("a")), .failure(Self.down)))
        scene.pass(.seconds(3600))
        #expect(!scene.plan().contains { if case .leave = $0 { true } else { false } })
    }
}

extension Plan {
    /// Of the runners that are launched, sorted.
    var hosts: [String] { actions.compactMap { if case .launch(_, _, _, _, let host) = $0 { host.name } else { nil } }.sorted() }
}
