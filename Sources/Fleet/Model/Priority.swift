/// Which jobs come first, by what they are. The first rule that a job fits is its own.
public struct PriorityRule: Sendable, Equatable {
    /// What the project's path looks like; nil for any, as with the other two. `*` stands for any text, `?` for one character.
    public var project: String?
    /// What the branch or tag looks like.
    public var ref: String?
    /// What the job's name looks like.
    public var job: String?
    /// The greater, the earlier: from -1000 to 1000.
    public var priority: Int

    public init(project: String? = nil, ref: String? = nil, job: String? = nil, priority: Int) {
        self.project = project
        self.ref = ref
        self.job = job
        self.priority = priority
    }

    /// Whether it is a rule for the job. What is not known of a job fits no pattern.
    public func fits(_ candidate: Job) -> Bool {
        func fits(_ pattern: String?, _ text: String?) -> Bool { pattern.map { pattern in text.map { Wildcard.matches($0, pattern) } ?? false } ?? true }
        return fits(project, candidate.projectPath) && fits(ref, candidate.ref) && fits(job, candidate.name)
    }
}

/// Patterns with `*` and `?`, as shells have them, for whole texts.
enum Wildcard {
    /// In time that grows with the product of the lengths at most, whatever the pattern: names of jobs are other people's.
    static func matches(_ text: String, _ pattern: String) -> Bool {
        let (text, pattern) = (Array(text.unicodeScalars), Array(pattern.unicodeScalars))
        var (at, place) = (0, 0)
        // Where the last star was, and what it has swallowed up to.
        var star: (place: Int, at: Int)?
        while at < text.count {
            if place < pattern.count, pattern[place] == "*" {
                star = (place, at)
                place += 1
            } else if place < pattern.count, pattern[place] == "?" || pattern[place] == text[at] {
                (at, place) = (at + 1, place + 1)
            } else if let last = star {
                star = (last.place, last.at + 1)
                (at, place) = (last.at + 1, last.place + 1)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == "*" }
    }
}
