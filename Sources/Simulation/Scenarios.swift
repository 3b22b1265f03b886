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
        _ name: String, pools: [Pool] = [pool()], rates: FaultRates = .none, gpus: Int = 0, hosts: [Host] = [], within bound: Duration? = nil,
        _ script: @escaping @Sendable (Simulation) -> Void, also complaint: @escaping @Sendable (Simulation) -> String? = { _ in nil }
    ) -> NamedScenario {
        NamedScenario(
            name: name,
            plan: {
                var plan = Simulation.Plan(
                    pools: pools, busyTime: .seconds(bound == nil ? 3600 : 60), quietTime: bound ?? .seconds(4 * 3600), rates: rates, script: script)
                plan.gpus = gpus
                plan.hosts = hosts
                return plan
            }, complaint: complaint)
    }

    private static func host(_ name: String, memory: Int64? = nil) -> Host {
        Host(HostID(name), budget: HostBudget(memory: memory.map { $0 << 30 }), lostAfter: SimulatedHosts.lostAfter)
    }
    private static func sleeper(_ name: String) -> Host {
        var host = host(name)
        host.power = HostPower(wakeTime: .seconds(60), idle: .seconds(300))
        return host
    }
    private static let fastFirst: Pool = {
        var pool = Self.pool()
        pool.choice.prefer = ["fast"]
        pool.configuredExecutor = .shell
        return pool
    }()

    public static let all: [NamedScenario] = [
        scene(
            "the fast host has room again before the slow one may be used", pools: [fastFirst], hosts: [host("slow"), host("fast", memory: 1)]
        ) { run in
            for _ in 0..<2 { run.gitlab.queue(tags: ["a"], lasting: .seconds(5)) }
        } also: { run in
            run.gitlab.everContainers(on: "slow") == 0 ? nil : "the slow host was used at once"
        },
        scene("the fast host stays full, and the slow one is used", pools: [fastFirst], hosts: [host("slow"), host("fast", memory: 1)]) { run in
            for _ in 0..<2 { run.gitlab.queue(tags: ["a"], lasting: .seconds(300)) }
        } also: { run in
            run.gitlab.everContainers(on: "slow") == 1 ? nil : "\(run.gitlab.everContainers(on: "slow")) runners on the slow host"
        },
        scene(
            "a host is cut off for twenty minutes in the middle of its jobs, which go on", pools: [pool(max: 4)], hosts: [host("far")]
        ) { run in
            for _ in 0..<4 { run.gitlab.queue(tags: ["a"], lasting: .seconds(1800)) }
            run.gitlab.after(.seconds(60)) { run.gitlab.cut("far", for: .seconds(1200)) }
        },
        scene(
            "a host is cut off with idle runners, and jobs get others elsewhere", pools: [pool(max: 4, cooldown: .seconds(3600))],
            hosts: [host("a"), host("b")], within: .seconds(4 * 3600)
        ) {
            run in
            for _ in 0..<2 { run.gitlab.queue(tags: ["a"], lasting: .seconds(5)) }
            run.gitlab.after(.seconds(30)) { run.gitlab.cut("a", for: .seconds(1800)) }
            run.gitlab.after(.seconds(40)) { for _ in 0..<2 { run.gitlab.queue(tags: ["a"], lasting: .seconds(5)) } }
        },
        scene("a host sleeps when nobody needs it, and jobs wake it", pools: [pool(max: 4)], hosts: [sleeper("far")]) { run in
            for time in [0, 1200, 2400] {
                run.gitlab.after(.seconds(time)) { for _ in 0..<3 { run.gitlab.queue(tags: ["a"], lasting: .seconds(30)) } }
            }
        } also: { run in
            let (asleep, awake) = (run.world.faults["host fell asleep"] ?? 0, run.world.faults["host woke up"] ?? 0)
            return asleep == 3 && awake == 2 ? nil : "it fell asleep \(asleep) times, and woke up \(awake) times"
        },
        scene(
            "a person switches a host off with a runner on it, and the next job wakes it", pools: [pool(max: 2, cooldown: .seconds(3600))],
            hosts: [sleeper("far")]
        ) { run in
            run.gitlab.queue(tags: ["a"], lasting: .seconds(5))
            run.gitlab.after(.seconds(40)) { run.gitlab.switchOff("far") }
            run.gitlab.after(.seconds(50)) { run.gitlab.queue(tags: ["a"], lasting: .seconds(5)) }
        } also: { run in
            run.world.faults["host woke up"] == 1 ? nil : "it was not woken"
        },
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
        scene("a pool is of another architecture from now on, and idle runners of the old one are there", pools: [pool(cooldown: .seconds(900))]) { run in
            for step in 0..<8 { run.gitlab.after(.seconds(step * 60)) { run.gitlab.queue(tags: ["a"], lasting: .seconds(5)) } }
            run.gitlab.after(.seconds(90)) {
                run.reconfigure(0) {
                    $0.hardware.architecture = .arm64
                    $0.configuredExecutor = .shell
                }
            }
        },
        scene(
            "two pools want the one GPU, and the daemon is killed again and again",
            pools: ["p0", "p1"].map { name in
                var one = pool(name, tags: [name == "p0" ? "a" : "b"])
                one.hardware.gpu = .nvidia
                return one
            }, gpus: 1
        ) { run in
            for step in 0..<12 {
                run.gitlab.after(.milliseconds(Int64(step * 25))) { run.gitlab.queue(tags: [step % 2 == 0 ? "a" : "b"], lasting: .seconds(20)) }
            }
            for step in 1..<8 { run.gitlab.after(.milliseconds(Int64(step * 145))) { run.kill() } }
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
        scene(
            "hours with three warm runners begin and end while jobs come and the daemon is killed",
            pools: {
                var one = pool()
                var hours = Schedule(zone: .utc)
                // From ten minutes after the start to forty.
                (hours.from, hours.to) = (Schedule.minutes(World.start) + 10, Schedule.minutes(World.start) + 40)
                hours.warm = .fixed(3)
                one.schedules = [hours]
                return [one]
            }()
        ) { run in
            for step in 0..<5 { run.gitlab.after(.seconds(step * 500)) { run.gitlab.queue(tags: ["a"], lasting: .seconds(90)) } }
            for time in [601, 1500, 2399] { run.gitlab.after(.seconds(time)) { run.kill() } }
        } also: { run in
            run.gitlab.mostContainersAtOnce >= 3 ? nil : "never more than \(run.gitlab.mostContainersAtOnce) runners at once"
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
        (8028, "a GitLab that failed one call in a hundred was never good for long enough to tell a runner that took no jobs"),
        (8715, "a start that was unclear when the daemon was killed was taken for failed by its next life, and came late to a job"),
    ]
}

extension Schedule {
    /// Of the day, in UTC.
    fileprivate static func minutes(_ time: Timestamp) -> Int { Int(time.milliseconds / 60_000 % 1440) }
}
