import ArgumentParser
import ControlModel
import FoundationEssentials

struct Events: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what happened last, and with -f what happens.",
        discussion: "With --json each event is a line of its own. With -f a restart of the daemon is waited for, and what was missed meanwhile is said.")
    @Flag(name: [.short, .long], help: "Go on with what happens, until interrupted.") var follow = false
    @Option(name: [.customShort("n"), .long], help: "How many of the last events to begin with, from 0 to 1000.") var recent = 20
    @Option(help: "Only those of this pool.") var pool: String?
    @Option(help: "Only those of the job with this id in GitLab.") var job: Int64?
    @Option(help: "Only job, runner, pool, health or incident; several with commas.") var kind: String?
    @OptionGroup var common: Common

    /// From the end of the daemon's answer to the next call.
    private static let pause = Duration.seconds(2)

    func validate() throws {
        guard (0...1000).contains(recent) else { throw ValidationError("-n must be from 0 to 1000") }
        let kinds = EventView.Kind.allCases.map(\.rawValue)
        for word in kind?.split(separator: ",") ?? [] where !kinds.contains(String(word)) {
            throw ValidationError("--kind \(word) is none of \(kinds.joined(separator: ", "))")
        }
    }

    func run() async throws {
        var events = ServerSentEvents()
        var hasBegun = false
        while true {
            do {
                try await common.daemon.stream(path(after: hasBegun ? events.lastID : nil)) { chunk in
                    hasBegun = true
                    for message in events.take(chunk) { show(message) }
                }
                if !follow { return }
            } catch let failure as Failure {
                // The first call tells whether there is a daemon at all.
                guard follow, hasBegun, failure.status == .unavailable else { throw failure }
            }
            try await Task.sleep(for: Self.pause)
        }
    }

    /// - Parameter last: the id of the last event that was shown.
    func path(after last: String?) -> String {
        var query = ["follow=\(follow)", last.map { "last_event_id=\(pathSegment($0))" } ?? "recent=\(recent)"]
        if let pool { query.append("pool=\(pathSegment(pool))") }
        if let job { query.append("job=\(job)") }
        if let kind { query.append("kind=\(kind)") }
        return "/events?" + query.joined(separator: "&")
    }

    private func show(_ message: ServerSentEvents.Message) {
        if message.event == "reset" { return writeAll("autogitctl: events were missed here; see: autogitctl status\n", to: 2) }
        if common.json { return writeAll(message.data + "\n") }
        // One that this version can't read is shown as it came.
        guard let event = try? JSONDecoder().decode(EventView.self, from: Data(message.data.utf8)) else { return writeAll(printable(message.data) + "\n") }
        writeAll(Self.line(event) + "\n")
    }

    static func line(_ event: EventView) -> String {
        var line = "\(event.at)  \(event.severity.prefix(7).padding(7))  \(event.message)"
        for (name, value) in event.fields.sorted(by: { $0.key < $1.key }) { line += "  \(name)=\(value.contains(" ") ? "\"\(value)\"" : value)" }
        return printable(line)
    }
}

extension StringProtocol {
    fileprivate func padding(_ width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
}
