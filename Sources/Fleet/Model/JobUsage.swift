/// What a job used, as far as it was sampled while it ran.
public struct JobUsage: Sendable, Equatable {
    /// CPU time of all its processes, in seconds; two CPUs for a second are two.
    public var cpuSeconds: Double
    /// Bytes of memory that can't be had back at once, at the largest sample; a job that needs more for less time than lies between two samples
    /// needs more than this.
    public var peakMemory: Int64
    /// Processes that the kernel killed at a memory limit; nil where nobody tells.
    public var memoryKills: Int?
    /// Seconds from the first sample to the last: the rest of the job was not measured.
    public var measuredSeconds: Double
    /// Bytes that it was allowed; nil where its pool is not configured any more.
    public var memoryLimit: Int64?
    public init(cpuSeconds: Double = 0, peakMemory: Int64 = 0, memoryKills: Int? = nil, measuredSeconds: Double = 0, memoryLimit: Int64? = nil) {
        self.memoryLimit = memoryLimit
        self.cpuSeconds = cpuSeconds
        self.peakMemory = peakMemory
        self.memoryKills = memoryKills
        self.measuredSeconds = measuredSeconds
    }
}

extension JobUsage {
    /// How many jobs of a name a hint looks at.
    public static let hintJobs = 20
    private static let fewest = 3

    /// What the memory limit could be; nil where too few jobs were measured to say.
    /// - Parameter usages: of jobs of one name, the newest first.
    public static func hint(_ usages: [JobUsage]) -> String? {
        let usages = usages.prefix(hintJobs)
        guard usages.count >= fewest, let most = usages.map(\.peakMemory).max() else { return nil }
        let kills = usages.count { $0.memoryKills ?? 0 > 0 }
        let limit = usages.first?.memoryLimit.map { " of \(Self.size($0))" } ?? ""
        let jobs = "the last \(usages.count) jobs of this name"
        if kills > 0 { return "the kernel killed processes of \(kills) of \(jobs) at the memory limit\(limit)" }
        return "used at most \(Self.size(most))\(limit) in \(jobs)"
    }

    private static func size(_ bytes: Int64) -> String {
        bytes >= 10 << 30 ? "\(bytes >> 30) GiB" : bytes % (1 << 30) == 0 && bytes > 0 ? "\(bytes >> 30) GiB" : "\(max(1, bytes >> 20)) MiB"
    }
}

/// What the processes of one container or scope use at a moment.
public struct ResourceSample: Sendable, Equatable {
    /// The container's or scope's id: what came before it under another id is not its own.
    public var id: String
    /// CPU time since it was made.
    public var cpu: Duration
    /// Bytes, without what the kernel keeps of files and can drop at once.
    public var memory: Int64
    /// Processes that the kernel has killed in it at its memory limit since it was made; nil where nobody tells.
    public var memoryKills: Int?
    /// It was made for the job that the runner has, and all that it ever used is that job's.
    public var isOfJob: Bool
    public init(id: String, cpu: Duration, memory: Int64, memoryKills: Int? = nil, isOfJob: Bool = false) {
        self.id = id
        self.cpu = cpu
        self.memory = memory
        self.memoryKills = memoryKills
        self.isOfJob = isOfJob
    }
}

/// Makes of samples what one job used.
///
/// CPU time is counted as differences, because a runner's container outlives its jobs: of one that was there before, the first sample is only the
/// beginning. Peaks that a kernel keeps (memory.peak) are of no use for the same reason.
public struct UsageMeter: Sendable, Equatable {
    /// The job that is measured.
    public let job: JobID
    private var last: [String: ResourceSample] = [:]
    private var beganAt: Timestamp?
    private var found = JobUsage()
    private var isMeasured = false
    /// Kills at a memory limit of which there was an event.
    private var toldKills = 0

    /// Nothing is measured yet.
    public init(job: JobID) { self.job = job }

    /// What the job used so far; nil while nothing can be said.
    public var usage: JobUsage? {
        guard isMeasured else { return nil }
        var usage = found
        if toldKills > 0 { usage.memoryKills = max(found.memoryKills ?? 0, toldKills) }
        return usage
    }

    /// There was an event of a kill at a memory limit; samples may show the same.
    public mutating func heardOfKill() { toldKills += 1 }

    /// Takes in all samples of one moment; parts that are missing have ended.
    public mutating func take(_ samples: [ResourceSample], at now: Timestamp) {
        guard !samples.isEmpty else { return }
        var memory: Int64 = 0
        for sample in samples {
            memory += sample.memory
            let before = last.updateValue(sample, forKey: sample.id)
            if before != nil || sample.isOfJob {
                isMeasured = true
                found.cpuSeconds += max(0, (sample.cpu - (before?.cpu ?? .zero)).inSeconds)
                if let kills = sample.memoryKills { found.memoryKills = (found.memoryKills ?? 0) + max(0, kills - (before?.memoryKills ?? 0)) }
            }
        }
        found.peakMemory = max(found.peakMemory, memory)
        let began = beganAt ?? now
        beganAt = began
        found.measuredSeconds = max(found.measuredSeconds, (now - began).inSeconds)
    }
}
