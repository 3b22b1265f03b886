import Fleet
import Logging

/// The job's tags are in no event: the jobs API has them. However many jobs come at once, GitLab gets few questions
/// at a time, and none while it is in trouble.
struct TagQueue {
    /// Questions under way at once.
    static let atOnce = 8

    private(set) var members: Set<JobID> = []
    private var order: [JobID] = []
    private var first = 0
    /// How often GitLab didn't know the job yet: a hook can be ahead of the API.
    var attempts: [JobID: Int] = [:]
    var underWay = 0
    /// After a failure nothing is asked for so long; it doubles with each.
    var pause = Duration.zero
    var isPausing = false

    /// - Returns: false when it is in the queue, or being asked about.
    mutating func add(_ id: JobID) -> Bool {
        guard members.insert(id).inserted else { return false }
        order.append(id)
        return true
    }

    mutating func next() -> JobID? {
        guard !isPausing, underWay < Self.atOnce, first < order.count else { return nil }
        defer {
            first += 1
            if first > 1000, first * 2 > order.count {
                order.removeFirst(first)
                first = 0
            }
        }
        underWay += 1
        return order[first]
    }

    mutating func remove(_ id: JobID) {
        members.remove(id)
        attempts[id] = nil
    }
}

extension Coordinator {
    func askForTags(of id: JobID) {
        if tags.add(id) { askForMoreTags() }
    }

    private func askForMoreTags() {
        while let id = tags.next() { Task { await self.askForTagsOnce(id) } }
    }

    private func askForTagsOnce(_ id: JobID) async {
        defer {
            tags.underWay -= 1
            askForMoreTags()
        }
        guard let job = jobs[id], job.status == .pending, job.tags == nil else { return tags.remove(id) }
        do {
            let seen = try await forge.job(project: job.projectID, id: id)
            tags.pause = .zero
            health.gitlab = "ok"
            if let seen {
                tags.remove(id)
                remember(take(seen))
                requestPlan()
            } else {
                let attempt = tags.attempts[id, default: 0]
                tags.attempts[id] = attempt + 1
                askAgain(id, after: min(.milliseconds(200) * (1 << min(attempt, 10)), .seconds(60)))
            }
        } catch {
            noteGitLabTrouble(error)
            tags.pause = max(min(max(tags.pause * 2, .milliseconds(500)), .seconds(30)), Self.retryAfter(error))
            askAgain(id, after: .zero)
            guard !tags.isPausing else { return }
            tags.isPausing = true
            let pause = tags.pause
            Task {
                try? await self.clock.sleep(for: pause)
                self.tags.isPausing = false
                self.askForMoreTags()
            }
        }
    }

    private func askAgain(_ id: JobID, after time: Duration) {
        let attempt = tags.attempts[id]
        tags.remove(id)
        tags.attempts[id] = attempt
        guard time > .zero else { return askForTags(of: id) }
        Task {
            try? await self.clock.sleep(for: time)
            self.askForTags(of: id)
        }
    }
}
