/// What jobs use.
extension FleetState {
    /// Runners of a place that have a job, with their jobs.
    public func busyRunners(at place: Place) -> [RunnerID: JobID] {
        runners.values.reduce(into: [:]) { busy, runner in
            if runner.isMeasured(at: place) { busy[runner.id] = runner.currentJob }
        }
    }

    func isBusy(_ place: Place) -> Bool { runners.values.contains { $0.isMeasured(at: place) } }

    /// What the job used so far, or until its end; nil while nothing is known.
    public func usage(of job: Job) -> JobUsage? {
        guard let gitlabID = job.runnerID, let id = owners[RegistrationRef(job.id.forge, gitlabID)], let meter = progress[id]?.meter, meter.job == job.id.id
        else { return job.usage }
        var usage = meter.usage
        if let runner = runners[id] { usage?.memoryLimit = jobLimit(in: runner.pool) }
        return usage
    }

    /// Bytes that a job of the pool may use.
    func jobLimit(in pool: String) -> Int64? { pools.first { $0.pool.name == pool && $0.pool.limitsMemory }?.pool.memory }

    /// At once, because of a runner that had a job before only the difference is this one's.
    mutating func beginMeasuring(_ id: RunnerID, _ job: JobID) {
        progress[id]?.meter = UsageMeter(job: job)
        if let place = runners[id]?.place { places[place]?.sampleAt = nil }
    }

    mutating func sampled(_ place: Place, _ result: Result<Answer, Trouble>, at now: Timestamp) {
        guard case .success(.use(let found, let jobs)) = result else {
            // No word of it: what runs goes on, and whether the place is there others find out.
            places[place]?.sampling.failed(.look, at: now, jitter: dice.unit())
            return
        }
        places[place]?.sampling.succeeded()
        for (id, samples) in found {
            guard let job = jobs[id], runners[id]?.currentJob == job else { continue }
            var meter = progress[id]?.meter.flatMap { $0.job == job ? $0 : nil } ?? UsageMeter(job: job)
            meter.take(samples, at: now)
            progress[id]?.meter = meter
        }
    }
}

extension Runner {
    /// It is there and has a job.
    fileprivate func isMeasured(at place: Place) -> Bool { self.place == place && startedAt != nil && isBusy }
}
