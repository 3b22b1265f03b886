import Fleet

/// What users of such systems reported, each as a scene that is played with several seeds; and seeds that once found
/// a bug. Each says what must hold at its end, beside the rules that always do.
public struct NamedScenario: Sendable {
    public var name: String
    public var plan: @Sendable () -> Simulation.Plan
    /// nil when all is well.
    public var complaint: @Sendable (Simulation) -> String?

    private static func pool(
        _ name: String = "p0", tags: [String] = ["a"], max: Int = 5, cooldown: Duration = .seconds(20), driver: DriverKind = .container
    ) -> Pool {
        var pool = Pool(name: name)
        pool.driver = driver
        pool.tags = tags
        pool.maxRunners = max
        pool.memory = 1 << 30
        pool.docker.servicesLimit = 0
        pool.cooldown = cooldown
        pool.stopTimeout = .seconds(120)
        return pool
    }

    /// - Parameter rates: by default nothing goes wrong but what the scene itself does.
    private static func scene(
        _ name: String, pools: [Pool] = [pool()], rates: FaultRates = .none, within bound: Duration? = nil,
        _ script: @escaping @Sendable (Simulation) -> Void, also complaint: @escaping @Sendable (Simulation) -> String? = { _ in nil }
    ) -> NamedScenario {
        NamedScenario(
            name: name,
            plan: {
                Simulation.Plan(
                    pools: pools, busyTime: .seconds(bound == nil ? 3600 : 60), quietTime: bound ?? .seconds(4 * 3600), rates: rates, script: script)
            }, complaint: complaint)
    }

    public static let all: [NamedScenario] = [
        scene("the pool is at its maximum when the events come, and nothing wakes the waiting jobs later", pools: [pool(max: 1)]) { run in
            for _ in 0..<6 { run.gitlab.queue(tags: ["a"], lasting: .seconds(60)) }
        } also: { run in
            run.gitlab.mostContainersAtOnce == 1 ? nil : "more than one at once"
        },
        scene("power fails with runners half created") { run in
            for step in 0..<12 { run.gitlab.after(.milliseconds(Int64(step * 25))) { run.gitlab.queue(tags: ["a"], lasting: .seconds(5)) } }
            for step in 1..<5 {
                run.gitlab.after(.milliseconds(Int64(step * 70))) {
                    run.kill()
                    run.gitlab.losePower()
                }
            }
        },
        scene("the daemon is killed again and again while scopes are made, step by step", pools: [pool(driver: .scope)]) { run in
            for step in 0..<12 { run.gitlab.after(.milliseconds(Int64(step * 25))) { run.gitlab.queue(tags: ["a"], lasting: .seconds(5)) } }
            for step in 1..<8 { run.gitlab.after(.milliseconds(Int64(step * 45))) { run.kill() } }
        },
        scene("power fails with scopes half created and with jobs in them", pools: [pool(driver: .scope)]) { run in
            for step in 0..<12 { run.gitlab.after(.milliseconds(Int64(step * 25))) { run.gitlab.queue(tags: ["a"], lasting: .seconds(60)) } }
            for time in [90, 5000] {
                run.gitlab.after(.milliseconds(Int64(time))) {
                    run.kill()
                    run.gitlab.losePower()
                }
            }
        },
        scene("a runner is to go, and its container is gone already") { run in
            run.gitlab.queue(tags: ["a"], lasting: .seconds(5))
            run.gitlab.after(.seconds(12)) { run.gitlab.removeContainer(0) }
        },
        scene("a runner is to go, and its registration is gone already") { run in
            run.gitlab.queue(tags: ["a"], lasting: .seconds(5))
            run.gitlab.after(.seconds(12)) { run.gitlab.forgetARegistration() }
        },
        scene("GitLab forgets the registration of a runner that a job waits for") { run in
            run.gitlab.after(.seconds(10)) { run.gitlab.queue(tags: ["a"], lasting: .seconds(5)) }
            run.gitlab.after(.milliseconds(10_300)) { run.gitlab.forgetARegistration() }
        },
        scene("nobody owns a registration, and GitLab is away when the next life looks for such", within: .seconds(180)) { run in
            run.gitlab.after(.seconds(1)) {
                run.gitlab.leaveARegistrationWithoutOwner()
                run.kill()
                run.gitlab.goDown(for: .seconds(45))
            }
        },
        scene("failed starts do not count as supply and starve the queue") { run in
            run.gitlab.failPulls(for: .seconds(300))
            for _ in 0..<10 { run.gitlab.queue(tags: ["a"], lasting: .seconds(10)) }
        },
        scene("a job is taken by somebody else's runner, and ours does not wait for it", within: .seconds(600)) { run in
            let job = run.gitlab.queue(tags: ["a"], lasting: .seconds(10))
            run.gitlab.after(.milliseconds(400)) { run.gitlab.giveToOthers(job, for: .seconds(300)) }
        },
        scene("a job is cancelled between launch and first contact", within: .seconds(600)) { run in
            let job = run.gitlab.queue(tags: ["a"], lasting: .seconds(10))
            run.gitlab.after(.milliseconds(150)) { run.gitlab.cancel(job) }
        },
        scene(
            "two hooks for one job do not start two runners",
            rates: {
                var rates = FaultRates.none
                rates.hookDoubled = 1
                return rates
            }()
        ) { run in
            run.gitlab.queue(tags: ["a"], lasting: .seconds(60))
        } also: { run in
            run.gitlab.mostContainersAtOnce == 1 ? nil : "\(run.gitlab.mostContainersAtOnce) containers for one job"
        },
        scene("a hook arrives before the job is visible in the API") { run in
            run.gitlab.queue(tags: ["a"], lasting: .seconds(5), visibleAfter: .seconds(10))
        } also: { run in
            // The API is asked again and again, so the next poll is not waited for.
            run.gitlab.firstJobEnded.map { $0 < .seconds(28) } == true ? nil : "the job ended after \(run.gitlab.firstJobEnded?.description ?? "for ever")"
        },
        scene("the runner of one pool takes the job that another pool was started for", pools: [pool(), pool("p1", tags: ["a", "b"])]) { run in
            run.gitlab.queue(tags: ["a", "b"], lasting: .seconds(5))
            run.gitlab.after(.seconds(7)) {
                run.gitlab.queue(tags: ["a"], lasting: .seconds(5))
                run.gitlab.queue(tags: ["a"], lasting: .seconds(5))
            }
        },
        scene("an engine comes back with another socket, and idle runners can't have containers made for jobs") { run in
            for step in 0..<12 {
                run.gitlab.after(.seconds(step * 15)) { run.gitlab.queue(tags: ["a"], lasting: .seconds(5)) }
            }
            run.gitlab.after(.seconds(70)) { run.gitlab.renewSocket() }
        } also: { run in
            run.gitlab.jobsOfCutOffRunners == 0 ? nil : "\(run.gitlab.jobsOfCutOffRunners) jobs were given to runners that are cut off"
        },
        scene(
            "starts take effect after their errors, while the engine is slow to take such containers away", pools: [pool(max: 20)],
            rates: {
                var rates = FaultRates.none
                (rates.late, rates.slow) = (0.1, 0.5)
                return rates
            }()
        ) { run in
            for step in 0..<60 { run.gitlab.after(.seconds(step * 20)) { run.gitlab.queue(tags: ["a"], lasting: .seconds(120)) } }
        },
        scene("GitLab is away for hours") { run in
            run.gitlab.queue(tags: ["a"], lasting: .seconds(5))
            run.gitlab.after(.seconds(2)) { run.gitlab.goDown(for: .seconds(3 * 3600)) }
            run.gitlab.after(.seconds(60)) { run.gitlab.queue(tags: ["a"], lasting: .seconds(5)) }
        },
        scene(
            "no hook ever comes",
            rates: {
                var rates = FaultRates.none
                rates.hookLost = 1
                return rates
            }()
        ) { run in
            for step in 0..<5 { run.gitlab.after(.seconds(step * 40)) { run.gitlab.queue(tags: ["a"], lasting: .seconds(30)) } }
        },
    ]

    /// Seeds of random plans that found a bug once; `make simulate` found them, and they are played for ever.
    public static let regressions: [(seed: UInt64, bug: String)] = [
        (3, "an idle runner that takes no job counted as supply for ever"),
        (67, "a runner busy with a job of which no event came stayed busy for ever"),
        (417, "a start whose answer was lost was taken for failed, and the busy runner was removed"),
        (128, "a clock that was set back over a restart made a cooldown last as long as it was wrong"),
        (709, "a job with the number of a busy runner's job, which a fresh GitLab gave out again, was taken for it"),
        (730, "a registration's number that a fresh GitLab gave out again was taken from its new owner"),
    ]
}
