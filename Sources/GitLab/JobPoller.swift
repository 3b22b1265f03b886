import Fleet
import FoundationEssentials
import HTTPTransfer
import Synchronization

/// Finds all pending and running jobs that the token may see: with one query of the instance for an administrator, else
/// project by project.
///
/// Trouble with a part costs that part only, and is told in the poll's remarks.
final class JobPoller: Sendable {
    private struct Memory {
        /// Whether the token may list the instance's jobs; nil when that has to be asked.
        var seesInstance: Bool?
        /// How long the answer holds.
        var credit = 0
        /// Numbers of projects that are configured by path.
        var numbers: [String: Int64] = [:]
        /// Those that the last poll has read.
        var lists: Lists = [:]
    }

    /// The lists that GitLab need not send again, by path.
    private typealias Lists = [String: (etag: String, elements: [Element<JobResource>])]

    private struct Project {
        var name: String
        /// nil until GitLab is asked.
        var id: Int64?
    }

    /// In polls: after so many the token may have got another role.
    private static let credit = 120
    /// An instance without jobs is also what GitLab shows to a token that has lost its rights: look sooner.
    private static let priceOfNothing = 10
    private static let maxPages = 200
    /// One project's list may time out by itself; this many in a row are GitLab's silence, which would take 30 s for
    /// each project that is left.
    private static let maxSilence = 3

    private let connection: GitLabConnection
    private let memory = Mutex(Memory())

    init(_ connection: GitLabConnection) { self.connection = connection }

    /// - Throws: when the token is refused, or when nothing at all could be asked.
    func activeJobs() async throws(GitLabError) -> Poll {
        var findings = Findings()
        do {
            if try await seesInstance(&findings) {
                if try await addInstance(to: &findings) { return findings.poll }
            }
            try await addProjects(to: &findings)
        } catch {
            if error.kind == .badToken || error.kind == .forbidden { forgetToken() }
            throw error
        }
        return findings.poll
    }

    private func forgetToken() { memory.withLock { $0.seesInstance = nil } }

    /// A project that was made again under its old path has another number.
    func forgetNumbers() { memory.withLock { $0.numbers = [:] } }

    // MARK: The instance

    /// Asked, because the instance query doesn't refuse a token that is no administrator's, or an administrator's
    /// without admin mode: it shows them an instance without jobs.
    private func seesInstance(_ findings: inout Findings) async throws(GitLabError) -> Bool {
        let known: Bool? = memory.withLock { box in
            box.credit -= 1
            if box.credit < 0 { (box.seesInstance, box.numbers) = (nil, [:]) }
            return box.seesInstance
        }
        if let known { return known }
        do {
            let sees = try await administrator() == .yes
            memory.withLock { ($0.seesInstance, $0.credit) = (sees, Self.credit - 1) }
            return sees
        } catch {
            guard error.kind == .serverError || error.kind == .badAnswer else { throw error }
            findings.leaveOut("GitLab didn't say whether the token is an administrator's, so only the token's projects were polled: \(error.summary)")
            return false
        }
    }

    /// Asks GitLab, with two calls at most.
    /// - Throws: when GitLab can't be asked, or refuses the token.
    func administrator() async throws(GitLabError) -> TokenFacts.Administrator {
        do {
            guard try await connection.get("user", as: UserResource.self).isAdmin else { return .no }
        } catch {
            if error.isOutage || error.tokenRefused { throw error }
            return .unknown
        }
        do {
            _ = try await connection.get("runners/all?per_page=1", as: [Element<RunnerResource>].self)
        } catch {
            if error.isOutage || error.tokenRefused { throw error }
            return error.kind == .forbidden ? .withoutAdminMode : .yes
        }
        return .yes
    }

    /// - Returns: false when some of the instance's jobs are missing, which `findings` tells: the projects may show them.
    private func addInstance(to findings: inout Findings) async throws(GitLabError) -> Bool {
        func giveUp(_ why: String) -> Bool {
            findings.leaveOut("The instance's jobs could not all be listed, so the token's projects were polled, too: \(why)")
            return false
        }
        var cursor: String?
        for number in 0..<Self.maxPages {
            let page: InstanceJobs
            do {
                let body = try? JSONEncoder().encode(["query": InstanceJobs.query(after: cursor)])
                page = try connection.decode(InstanceJobs.self, try await connection.call("POST", "graphql", json: body, base: "/api/"))
            } catch {
                if error.kind == .forbidden { forgetToken() }
                switch error.kind {
                case .unreachable, .rateLimited, .badToken: throw error
                default: return giveUp(error.summary)
                }
            }
            findings.add(page.nodes.map { $0.map(\.observation) }, from: "the instance's jobs", startingAt: number * 100)
            if let trouble = page.trouble { return giveUp(connection.printable(trouble)) }
            guard let next = page.cursor else {
                if number == 0, page.nodes.isEmpty { memory.withLock { $0.credit -= Self.priceOfNothing - 1 } }
                return true
            }
            cursor = next
        }
        return giveUp("the list has no end")
    }

    // MARK: Projects

    private func addProjects(to findings: inout Findings) async throws(GitLabError) {
        let projects: [Project]
        do {
            projects = try await self.projects(&findings)
        } catch {
            guard findings.jobs.isEmpty || error.tokenRefused else { return findings.leaveOut("The token's projects could not be listed: \(error.summary)") }
            if error.isOutage || error.tokenRefused { throw error }
            forgetToken()
            return findings.leaveOut("The token's projects could not be listed: \(error.summary)")
        }
        var troubles: [GitLabError] = []
        var silence = 0
        let remembered = memory.withLock { box in
            defer { box.lists = [:] }
            return box.lists
        }
        for project in projects {
            do {
                try await addJobs(of: project, known: remembered, to: &findings)
                silence = 0
            } catch {
                if error.tokenRefused { throw error }
                if error.kind == .notFound { forgetNumbers() }
                troubles.append(error)
                silence = error.kind == .unreachable ? silence + 1 : 0
                findings.leaveOut("Project \(project.name) was left out: \(error.summary)")
                if error.kind == .rateLimited || silence == Self.maxSilence {
                    findings.leaveOut("The projects after \(project.name) were left out: GitLab was not asked again")
                    break
                }
            }
        }
        let nothingWasAsked = !projects.isEmpty && findings.jobs.isEmpty && findings.listsRead == 0 && troubles.allSatisfy(\.isOutage)
        if nothingWasAsked, let error = troubles.first(where: { $0.retryAfter != nil }) ?? troubles.first { throw error }
    }

    private func projects(_ findings: inout Findings) async throws(GitLabError) -> [Project] {
        let configured = connection.configuration.projects
        if !configured.isEmpty { return configured.map { Project(name: $0, id: Int64($0)) } }
        let first = try await connection.call("GET", "projects?membership=true&simple=true&per_page=100")
        let listing = try await connection.pages(of: NamedResource.self, startingWith: first)
        if let error = listing.cutShort { findings.leaveOut("The list of the token's projects ended early: \(error.summary)") }
        return findings.good(listing.elements, of: "the token's projects").map { Project(name: $0.path ?? String($0.id), id: $0.id) }
    }

    private func addJobs(of project: Project, known remembered: Lists, to findings: inout Findings) async throws(GitLabError) {
        let id: Int64
        if let known = project.id { id = known } else { id = try await number(of: project.name, kind: "projects") }
        let path = "projects/\(id)/jobs?scope[]=pending&scope[]=running&per_page=100"
        let known = remembered[path]
        let answer = try await connection.call("GET", path, headers: known.map { [("If-None-Match", $0.etag)] } ?? [])
        let elements: [Element<JobResource>]
        if answer.response.status == 304, let known {
            elements = known.elements
            memory.withLock { $0.lists[path] = known }
        } else {
            let listing = try await connection.pages(of: JobResource.self, startingWith: answer)
            elements = listing.elements
            if let error = listing.cutShort { findings.leaveOut("The list of the jobs of project \(project.name) ended early: \(error.summary)") }
            // The tag is that of the first page, and says nothing about the others.
            if Paging.next(after: answer.response) == nil, let etag = answer.response.header("etag") {
                memory.withLock { $0.lists[path] = (etag, elements) }
            }
        }
        findings.listsRead += 1
        let name = Int64(project.name) == nil ? project.name : nil
        findings.add(elements.map { $0.map { $0.observation(project: id, path: name) } }, from: "the jobs of project \(project.name)")
    }

    /// GitLab's number of a project or group that is named by path; a number stands for itself.
    /// - Parameter kind: `projects` or `groups`.
    func number(of name: String, kind: String) async throws(GitLabError) -> Int64 {
        if let number = Int64(name) { return number }
        let key = "\(kind)/\(name)"
        if let known = memory.withLock({ $0.numbers[key] }) { return known }
        let id = try await connection.get("\(kind)/\(percentEncoded(name))", as: NamedResource.self).id
        memory.withLock { $0.numbers[key] = id }
        return id
    }
}

/// What a poll has found so far.
private struct Findings {
    private(set) var jobs: [JobObservation] = []
    private var places: [JobID: Int] = [:]
    private var isComplete = true
    private var remarks: [String] = []
    /// Projects whose jobs were listed, or whose list is unchanged.
    var listsRead = 0

    var poll: Poll { Poll(jobs: jobs, isComplete: isComplete, remarks: remarks) }

    mutating func leaveOut(_ remark: String) {
        isComplete = false
        if !remarks.contains(remark) { remarks.append(remark) }
    }

    /// Lists overlap when jobs move between pages: the later observation of a job counts.
    mutating func add(_ elements: [Element<JobObservation>], from list: String, startingAt start: Int = 0) {
        for job in good(elements, of: list, startingAt: start) {
            if let place = places[job.id] {
                jobs[place] = job
            } else {
                places[job.id] = jobs.count
                jobs.append(job)
            }
        }
    }

    /// The good elements; the others are named in remarks.
    mutating func good<Value>(_ elements: [Element<Value>], of list: String, startingAt start: Int = 0) -> [Value] {
        var good: [Value] = []
        for (index, element) in elements.enumerated() {
            switch element {
            case .good(let value): good.append(value)
            case .odd(let id?, let reason): leaveOut("Element \(id) of \(list) was left out: \(reason)")
            case .odd(nil, let reason): leaveOut("Element number \(start + index + 1) of \(list) was left out: \(reason)")
            }
        }
        return good
    }
}
