import Fleet

/// Changes that could not be written, such as while the disk is full: the newest of each job, runner, pool and image,
/// so that it grows with what there is and not with how long it lasts.
struct Backlog {
    private enum Key: Hashable {
        case job(JobRef)
        case runner(RunnerID)
        case pool(String)
        case host(String)
        case engine(String)
        case image(HostID, String)
    }

    static let mostHistory = 10_000
    private var latest: [Key: Change] = [:]
    private var history: [Change] = []

    var isEmpty: Bool { latest.isEmpty && history.isEmpty }
    var changes: [Change] { Array(latest.values) + history }

    mutating func add(_ changes: [Change]) {
        for change in changes {
            switch change {
            case .job(let job): latest[.job(job.id)] = change
            case .runner(let runner): latest[.runner(runner.id)] = change
            case .pool(let name, _): latest[.pool(name)] = change
            case .host(let name, _): latest[.host(name)] = change
            case .engine(let host, _): latest[.engine(host)] = change
            case .image(let use): latest[.image(use.host, use.image)] = change
            case .imageGone(let host, let image): latest[.image(host, image)] = change
            case .history: history.append(change)
            }
        }
        if history.count > Self.mostHistory { history.removeFirst(history.count - Self.mostHistory) }
    }
}
