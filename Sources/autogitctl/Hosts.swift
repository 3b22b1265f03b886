import ArgumentParser
import ControlModel
import FoundationEssentials

struct Hosts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the machines that runners are placed on, and what they can run; drain one, or resume it.", usage: "autogitctl hosts [drain|resume NAME]"
    )
    @Argument(help: "drain: place no more runners there, and let those go that have no job. resume: the opposite.") var verb: Verb?
    @Argument(help: "The host's name.") var name: String?
    @OptionGroup var common: Common

    enum Verb: String, ExpressibleByArgument, CaseIterable { case drain, resume }

    func validate() throws {
        if let verb, name == nil { throw ValidationError("which host? autogitctl hosts \(verb.rawValue) NAME") }
    }

    func run() async throws {
        if let verb, let name {
            let raw = try await common.daemon.call("POST", "/hosts/\(pathSegment(name))/\(verb.rawValue)")
            if common.json { return writeAll(raw) }
            let view = try common.daemon.decode(DrainView.self, raw)
            return writeAll("host \(printable(view.name)) is \(view.drained ? "drained" : "open")\n")
        }
        let (views, raw) = try await common.daemon.get("/hosts", as: [HostView].self)
        writeAll(common.json ? raw : Array(views.map(Self.text).joined(separator: "\n").utf8))
    }

    private static func state(_ view: HostView) -> String {
        [view.status, view.away_since.map { "since \($0)" }, view.drained == true ? "drained" : nil, view.runners.map { "\($0) runner\($0 == 1 ? "" : "s")" }]
            .compactMap { $0 }.joined(separator: ", ")
    }

    static func text(_ view: HostView) -> String {
        func size(_ bytes: Int64?) -> String { bytes.map(gibibytes) ?? "?" }
        func list(_ texts: [String]) -> String { texts.isEmpty ? "none" : printable(texts.joined(separator: ", ")) }
        var lines = [
            "host       \(printable(view.name)), \(view.architecture ?? "architecture unknown"), \(view.cpus.map { "\($0)" } ?? "?") CPUs, \(size(view.memory_bytes))",
            "engine     \(printable(view.engine ?? "none known"))",
            "promised   \(size(view.memory_promised_bytes)) of \(view.memory_budget_bytes.map(gibibytes) ?? "any"), "
                + "\(view.cpus_promised) of \(view.cpus_budget.map { "\($0)" } ?? "any") CPUs",
            "cgroups    \(list(view.cgroup_controllers))", "runtimes   \(list(view.runtimes))",
            "emulates   \(list(view.emulators.map { $0.usable ? $0.architecture : "\($0.architecture) (not in containers: its flags \($0.flags) lack F)" }))",
        ]
        if view.status != nil { lines.insert("state      \(printable(Self.state(view)))", at: 1) }
        if let labels = view.labels, !labels.isEmpty { lines.append("labels     \(list(labels))") }
        if let things = view.resources, !things.isEmpty { lines.append("resources  \(list(things.map { "\($0.name) (\($0.taken) of \($0.count) taken)" }))") }
        lines.append("GPUs       \(list(view.gpus.map { "\($0.name) (\($0.status))" }))")
        for node in view.nodes ?? [] {
            lines.append("node       \(printable(node.name)), \(node.status), \(node.architecture ?? "?"), \(node.cpus) CPUs, \(gibibytes(node.memory_bytes))")
        }
        for remark in view.remarks { lines.append("remark     \(printable(remark))") }
        return lines.joined(separator: "\n") + "\n"
    }
}

struct GPUs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "gpus", abstract: "List the GPUs of the hosts, and the runners that have them.")
    @OptionGroup var common: Common

    func run() async throws {
        let (views, raw) = try await common.daemon.get("/gpus", as: [GPUView].self)
        if common.json { return writeAll(raw) }
        writeAll(views.isEmpty ? "no GPUs\n" : Self.table(views, at: Date()).text(width: terminalWidth()))
    }

    static func table(_ views: [GPUView], at now: Date) -> Table {
        var table = Table("HOST", "ID", "NAME", "MEMORY", "STATUS", "RUNNER", "JOB", "SINCE")
        for view in views {
            let holders: [GPUView.Holder?] = view.holders.isEmpty ? [nil] : view.holders
            for holder in holders {
                table.add(
                    view.host, view.id, view.name, view.memory_bytes.map(gibibytes), view.status, holder?.runner, holder?.job.map { "\($0)" },
                    holder.flatMap { age($0.since, at: now) })
            }
        }
        return table
    }
}

/// With one decimal.
private func gibibytes(_ bytes: Int64) -> String { "\((Double(bytes) / Double(1 << 30) * 10).rounded() / 10) GiB" }
