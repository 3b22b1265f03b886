import DequeModule

/// The last jobs that are over, up to a capacity, so that a late event does not bring one back.
struct FinishedJobs: Sendable {
    private var order: Deque<JobRef> = []
    private var entries: [JobRef: Entry] = [:]
    struct Entry: Sendable {
        /// As far as it is known.
        var createdAt: Timestamp?
        /// When it was seen to be over.
        var endedAt: Timestamp
    }
    let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// nil when the job is not among them.
    func entry(_ job: JobRef) -> Entry? { entries[job] }

    mutating func insert(_ job: JobRef, createdAt: Timestamp?, at now: Timestamp) {
        if entries.updateValue(Entry(createdAt: createdAt, endedAt: now), forKey: job) == nil { order.append(job) }
        while order.count > capacity { entries[order.removeFirst()] = nil }
    }

    mutating func remove(_ job: JobRef) {
        guard entries.removeValue(forKey: job) != nil else { return }
        order.removeAll { $0 == job }
    }
}

/// The last thousand removals and their times: a list that was requested before a removal may still show its object.
struct Departed<ID: Hashable & Sendable>: Sendable {
    private var order: Deque<ID> = []
    private var times: [ID: Timestamp] = [:]

    mutating func insert(_ id: ID, at now: Timestamp) {
        if times.updateValue(now, forKey: id) == nil { order.append(id) }
        while order.count > 1000 { times[order.removeFirst()] = nil }
    }

    /// Whether it went at that time or later.
    func contains(_ id: ID, since time: Timestamp) -> Bool { times[id].map { $0 >= time } ?? false }
}
