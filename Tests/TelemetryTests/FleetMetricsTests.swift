import Fleet
import Testing

@testable import Telemetry

/// A fleet that is told things, with metrics that hear of them.
private struct House {
    var state: FleetState
    let metrics: FleetMetrics
    var now = Timestamp(milliseconds: 1_764_000_000_000)
    static let place = Place(.local, .container)

    init(pools: [Pool] = [House.pool("fast", ["linux"]), House.pool("gpu", ["cuda", "linux"])]) {
        state = FleetState(.init(pools: pools, budget: HostBudget(memory: 8 << 30, cpus: 4), diskReserve: 1 << 30), seed: 1)
        metrics = FleetMetrics(version: "9.9", pools: pools)
        take(.remembered(Memory(instance: "i", jobs: [], runners: [], finishedJobs: [], pausedPools: [])))
    }

    static func pool(_ name: String, _ tags: [String]) -> Pool {
        var pool = Pool(name: name)
        pool.tags = tags
        pool.maxRunners = 5
        return pool
    }

    mutating func take(_ observation: Observation) { metrics.happened(state.take(observation, at: now), in: state) }

    mutating func hook(_ id: JobID, _ status: JobStatus, tags: [String]? = ["linux"], runner: Int64? = nil) {
        take(.hook(.default, JobObservation(id: id, projectID: 1, status: status, tags: tags, runnerID: runner)))
    }

    /// Has a runner started, registered and in contact.
    mutating func start(_ id: RunnerID, pool: String, gitlab: Int64) {
        let launch = Action.launch(id, pool: pool, job: nil, with: Equipment())
        take(.decided(launch))
        take(.launching(id, .registered(gitlab, shortToken: nil)))
        take(.launching(id, .created("c\(gitlab)")))
        take(.launching(id, .started))
        take(.done(launch, .success(.done)))
    }

    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        let families = metrics.families() + state.families(at: now)
        let series = families.first { $0.name == name }?.series.filter { Dictionary($0.labels.map { ($0.name, $0.value) }) { a, _ in a } == labels } ?? []
        guard series.count == 1 else { return nil }
        switch series[0].value {
        case .number(let number): return number
        case .distribution(let distribution): return Double(distribution.count)
        }
    }
}

@Suite struct FleetMetricsTests {
    @Test func everyPoolHasItsSeriesBeforeAnythingHappens() {
        let house = House()
        for pool in ["fast", "gpu"] {
            #expect(house.value("autogit_job_wait_seconds", ["pool": pool]) == 0)
            #expect(house.value("autogit_jobs_finished", ["pool": pool, "result": "failed"]) == 0)
            #expect(house.value("autogit_runner_starts", ["pool": pool, "result": "failure"]) == 0)
            #expect(house.value("autogit_runner_start_seconds", ["pool": pool, "driver": "container"]) == 0)
            #expect(house.value("autogit_runner_removals", ["pool": pool, "reason": "idle"]) == 0)
            #expect(house.value("autogit_runners", ["pool": pool, "phase": "ready"]) == 0)
            #expect(house.value("autogit_runners_busy", ["pool": pool]) == 0)
            #expect(house.value("autogit_jobs", ["pool": pool, "state": "waiting"]) == 0)
            #expect(house.value("autogit_job_oldest_waiting_seconds", ["pool": pool]) == 0)
            #expect(house.value("autogit_pool_max_runners", ["pool": pool]) == 5)
            #expect(house.value("autogit_pool_quarantined", ["pool": pool]) == 0)
        }
        #expect(house.value("autogit_jobs", ["pool": "", "state": "waiting"]) == 0)
        #expect(house.value("autogit_build", ["version": "9.9"]) == 1)
        #expect(house.value("autogit_host_memory_budget_bytes", ["host": "local"]) == Double(8 << 30))
        // Not known yet, so not said.
        #expect(house.value("autogit_gitlab_up") == nil)
        #expect(house.value("autogit_engine_up", ["host": "local"]) == nil)
        #expect(house.value("autogit_gitlab_token_expires_timestamp_seconds") == nil)
    }

    @Test func aJobIsCountedFromItsQueueToItsEnd() {
        var house = House()
        house.hook(1, .pending)
        house.hook(1, .pending)
        house.hook(2, .pending, tags: ["arm"])
        house.now = house.now + .seconds(20)
        #expect(house.value("autogit_jobs", ["pool": "fast", "state": "waiting"]) == 1)
        #expect(house.value("autogit_jobs", ["pool": "", "state": "waiting"]) == 1)
        #expect(house.value("autogit_job_oldest_waiting_seconds", ["pool": "fast"]) == 20)
        #expect(house.value("autogit_job_oldest_waiting_seconds", ["pool": ""]) == 20)
        #expect(house.value("autogit_jobs_seen", ["source": "hook"]) == 2)
        house.start("r1", pool: "fast", gitlab: 7)
        house.hook(1, .running, runner: 7)
        #expect(house.value("autogit_runner_starts", ["pool": "fast", "result": "success"]) == 1)
        #expect(house.value("autogit_runner_start_seconds", ["pool": "fast", "driver": "container"]) == 1)
        #expect(house.value("autogit_job_wait_seconds", ["pool": "fast"]) == 1)
        #expect(house.value("autogit_jobs", ["pool": "fast", "state": "running"]) == 1)
        #expect(house.value("autogit_runners_busy", ["pool": "fast"]) == 1)
        house.now = house.now + .seconds(40)
        house.hook(1, .success, runner: 7)
        #expect(house.value("autogit_jobs_finished", ["pool": "fast", "result": "success"]) == 1)
        #expect(house.value("autogit_job_duration_seconds", ["pool": "fast", "result": "success"]) == 1)
        #expect(house.value("autogit_jobs", ["pool": "fast", "state": "running"]) == 0)
        // Another's runner had it.
        house.hook(3, .pending)
        house.hook(3, .running, runner: 999)
        #expect(house.value("autogit_jobs", ["pool": "", "state": "running"]) == 1)
        house.hook(3, .failed, runner: 999)
        #expect(house.value("autogit_jobs_finished", ["pool": "", "result": "failed"]) == 1)
    }

    /// As the planner has it: of the pools that serve a job, the one with the fewest tags.
    @Test func aWaitingJobIsCountedForThePoolThatItGets() {
        var house = House(pools: [House.pool("all", ["linux", "cuda"]), House.pool("plain", ["linux"])])
        house.hook(1, .pending)
        house.hook(2, .pending, tags: ["linux", "cuda"])
        #expect(house.value("autogit_jobs", ["pool": "plain", "state": "waiting"]) == 1)
        #expect(house.value("autogit_jobs", ["pool": "all", "state": "waiting"]) == 1)
    }

    @Test func aPollThatFindsAJobIsItsSource() {
        var house = House()
        let seen = JobObservation(id: 5, projectID: 1, status: .pending, tags: ["linux"], runnerID: nil)
        house.take(.done(.poll(.default), .success(.poll(Poll(jobs: [seen], isComplete: true)))))
        house.hook(5, .pending)
        #expect(house.value("autogit_jobs_seen", ["source": "poll"]) == 1)
        #expect(house.value("autogit_jobs_seen", ["source": "hook"]) == 0)
        #expect(house.value("autogit_gitlab_up") == 1)
        house.take(.done(.poll(.default), .failure(Trouble("refused", tokenRefused: true))))
        #expect(house.value("autogit_gitlab_up") == 0)
    }

    @Test func aStartThatFailsAndItsRemovalAreCounted() {
        var house = House()
        let launch = Action.launch("r1", pool: "gpu", job: nil, with: Equipment())
        house.take(.decided(launch))
        house.take(.done(launch, .failure(Trouble("no such image"))))
        #expect(house.value("autogit_runner_starts", ["pool": "gpu", "result": "failure"]) == 1)
        #expect(house.value("autogit_runners", ["pool": "gpu", "phase": "ended"]) == 1)
        house.take(.done(.remove("r1", House.place, nil), .success(.removal(container: nil, registration: nil))))
        #expect(house.value("autogit_runner_removals", ["pool": "gpu", "reason": "failed"]) == 1)
        #expect(house.value("autogit_runners", ["pool": "gpu", "phase": "ended"]) == 0)
    }

    @Test func whatNobodyOwnsIsCountedByKind() {
        var house = House()
        let stranger = DriverObject(id: "c", runner: "stranger", running: true, started: true, exitCode: nil)
        house.take(.done(.look(House.place), .success(.objects([stranger]))))
        #expect(house.value("autogit_orphans_removed", ["kind": "container"]) == 1)
        #expect(house.value("autogit_engine_up", ["host": "local"]) == 1)
    }

    /// Tags are other people's text, and there can be any number of them.
    @Test func setsOfTagsHaveABound() {
        var house = House()
        for id in 1...1000 { house.hook(JobID(id), .pending, tags: ["z", "tag-\(id)"]) }
        for id in 1001...1003 { house.hook(JobID(id), .pending, tags: ["often"]) }
        house.hook(1004, .pending, tags: [String(repeating: "x", count: 5000)])
        let waiting = house.state.families(at: house.now).first { $0.name == "autogit_jobs_waiting" }?.series ?? []
        #expect(Set(waiting.map { $0.labels[0].value }).count == FleetState.mostTagSets + 1)
        #expect(waiting.first?.labels[0].value == "often")
        #expect(waiting.last?.labels[0].value == "other")
        #expect(waiting.allSatisfy { $0.labels[0].value.count <= 200 })
        let sum = waiting.map { if case .number(let number) = $0.value { number } else { 0 } }.reduce(0, +)
        #expect(sum == 1004)
    }

    @Test func whatTheDaemonsEdgesTellIsKept() {
        let house = House()
        house.metrics.webhook(.accepted, at: 1000)
        house.metrics.webhook(.refused, at: 2000)
        house.metrics.asked("GET /projects/:id", status: 200, remaining: 59, within: .milliseconds(30))
        house.metrics.asked("GET /projects/:id", status: nil, remaining: nil, within: .seconds(30))
        house.metrics.tokenExpires(at: 1_800_000_000)
        house.metrics.wrote(within: .milliseconds(2))
        house.metrics.planned(within: .microseconds(50))
        #expect(house.value("autogit_webhooks", ["result": "accepted"]) == 1)
        #expect(house.value("autogit_webhook_last_timestamp_seconds") == 1000)
        #expect(house.value("autogit_gitlab_request_seconds", ["endpoint": "GET /projects/:id", "status_class": "2xx"]) == 1)
        #expect(house.value("autogit_gitlab_request_seconds", ["endpoint": "GET /projects/:id", "status_class": "none"]) == 1)
        #expect(house.value("autogit_gitlab_rate_limit_remaining") == 59)
        #expect(house.value("autogit_gitlab_token_expires_timestamp_seconds") == 1_800_000_000)
        #expect(house.value("autogit_store_write_seconds") == 1)
        #expect(house.value("autogit_plan_seconds") == 1)
        house.metrics.tokenExpires(at: nil)
        #expect(house.value("autogit_gitlab_token_expires_timestamp_seconds") == nil)
    }

    @Test func namesAreUniqueAndTimesHaveTheirUnit() {
        let house = House()
        let names = (house.metrics.families() + house.state.families(at: house.now)).map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.hasPrefix("autogit_") && !$0.hasSuffix("_total") && !$0.hasSuffix("_info") })
    }
}
