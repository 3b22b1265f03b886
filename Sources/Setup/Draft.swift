import FoundationEssentials
import HostTools

/// What the machine has, as far as a first configuration depends on it.
public struct MachineFacts: Sendable, Equatable {
    /// As Debian names it.
    public var architecture: String
    public var cpus: Int
    /// In bytes.
    public var memory: Int64
    /// How many GPUs of each make: `nvidia`, `amd`, `intel`.
    public var gpus: [String: Int]
    /// Architectures that it emulates.
    public var emulates: [String]
    /// Whether memory can be limited.
    public var limitsMemory: Bool

    public init(architecture: String, cpus: Int, memory: Int64, gpus: [String: Int] = [:], emulates: [String] = [], limitsMemory: Bool = true) {
        self.architecture = architecture
        self.cpus = cpus
        self.memory = memory
        self.gpus = gpus
        self.emulates = emulates
        self.limitsMemory = limitsMemory
    }
}

/// What the operator wants, as far as it was told or found out.
public struct Answers: Sendable, Equatable {
    /// GitLab's address, without a slash at its end.
    public var url: String
    /// Its address for runners, where they need another.
    public var runnerURL: String?
    /// The webhook's address for GitLab, where that needs another than the daemon finds.
    public var webhookURL: String?
    public var caFile: String?
    /// Paths of projects: they get a webhook; and pools of their own where the token is no administrator's.
    public var projects: [String]
    /// Whether the token may register runners for the whole instance.
    public var isAdministrator: Bool
    public var executor: String
    public var image: String
    /// nil for the first that answers.
    public var engineSocket: String?

    public init(
        url: String, runnerURL: String? = nil, caFile: String? = nil, projects: [String] = [], isAdministrator: Bool = true, executor: String = "docker",
        image: String = "docker.io/gitlab/gitlab-runner:alpine", engineSocket: String? = nil
    ) {
        self.url = url
        self.runnerURL = runnerURL
        self.caFile = caFile
        self.projects = projects
        self.isAdministrator = isAdministrator
        self.executor = executor
        self.image = image
        self.engineSocket = engineSocket
    }
}

/// A first configuration.
public enum Draft {
    /// The text of `autogit.toml`, with what it was made from in comments.
    /// - Parameter day: of today, as `2026-11-29`.
    public static func configuration(_ answers: Answers, _ facts: MachineFacts, day: String) -> String {
        var lines = [
            "# Written by autogitctl setup on \(day); man autogit.toml explains every key.",
            "# This machine: \(facts.architecture), \(facts.cpus) CPUs, \(gibibytes(facts.memory)) of memory"
                + (facts.gpus.isEmpty ? "" : ", GPUs: " + facts.gpus.keys.sorted().map { "\(facts.gpus[$0] ?? 0) \($0)" }.joined(separator: ", "))
                + (facts.emulates.isEmpty ? "" : ", emulates \(facts.emulates.joined(separator: ", "))") + ".",
            "# The token "
                + (answers.isAdministrator
                    ? "is an administrator's: runners are registered for the whole GitLab." : "is no administrator's: runners are registered for projects."),
            "", "[gitlab]", "url = \(quoted(answers.url))",
        ]
        if let other = answers.runnerURL {
            lines += [
                "# From a container GitLab has another address than from here.", "runner_url = \(quoted(other))", "clone_url = \(quoted(other))",
            ]
        }
        if let other = answers.webhookURL {
            lines += ["# From GitLab's container AutoGit has another address than from elsewhere.", "webhook_url = \(quoted(other))"]
        }
        if let file = answers.caFile { lines.append("ca_file = \(quoted(file))") }
        if !answers.isAdministrator { lines.append("projects = [\(answers.projects.map(quoted).joined(separator: ", "))]") }
        if let socket = answers.engineSocket { lines += ["", "[engine]", "socket = \(quoted(socket))"] }
        for pool in pools(answers, facts) { lines += ["", "[[pool]]"] + pool.map { "\($0) = \($1)" } }
        let foreign = facts.emulates.filter { $0 != facts.architecture }
        if !foreign.isEmpty {
            lines += [
                "", "# This machine emulates \(foreign.joined(separator: ", ")). Such a pool needs an image of that architecture that has gitlab-runner in it:",
                "#[[pool]]",
                "#name = \(quoted(foreign[0]))", "#architecture = \(quoted(foreign[0]))", "#architecture_tags = true",
                "#image = \"registry.home/runner-\(foreign[0])\"",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private typealias Keys = [(String, String)]

    private static func pools(_ answers: Answers, _ facts: MachineFacts) -> [Keys] {
        let registrations: [String?] = answers.isAdministrator ? [nil] : answers.projects.map { "project:\($0)" }
        var used: Set<String> = []
        return registrations.flatMap { registration -> [Keys] in
            let suffix = registration.map { "-" + slug($0.dropFirst("project:".count)) } ?? ""
            func name(_ base: String) -> String { unique(base + suffix, &used) }
            var pools = [usual(name("default"), answers, facts, share: registrations.count) + register(registration)]
            for vendor in facts.gpus.keys.sorted() where (facts.gpus[vendor] ?? 0) > 0 {
                pools.append(gpu(name(vendor), vendor, facts.gpus[vendor] ?? 1, answers, facts) + register(registration))
            }
            return pools
        }
    }

    private static func register(_ registration: String?) -> Keys { registration.map { [("register", quoted($0))] } ?? [] }

    private static func usual(_ name: String, _ answers: Answers, _ facts: MachineFacts, share: Int) -> Keys {
        let memory = jobMemory(facts)
        // Nine tenths of the memory are the default of the host's budget; a runner of the Docker executor has 128 MiB and two services of 512 MiB beside its job.
        let each = memory + (answers.executor == "docker" ? 128 << 20 + 1 << 30 : 0)
        let most = max(1, min(10, Int(facts.memory / 10 * 9 / each) / share))
        return [
            ("name", quoted(name)), ("tags", "[\"autogit\", \"docker\", \(quoted(facts.architecture))]"), ("run_untagged", "true"),
            ("executor", quoted(answers.executor)),
            ("image", quoted(answers.image)), ("cpus", "\(Double(max(1, min(4, facts.cpus / 2))))"),
            ("memory", facts.limitsMemory ? size(memory) : "\"none\""), ("max_runners", "\(most)"),
        ]
    }

    private static func gpu(_ name: String, _ vendor: String, _ count: Int, _ answers: Answers, _ facts: MachineFacts) -> Keys {
        [
            ("name", quoted(name)), ("tags", "[\"gpu\", \(quoted(vendor))]"), ("gpu", quoted(vendor)), ("image", quoted(answers.image)),
            ("cpus", "\(Double(max(1, min(8, facts.cpus / 2))))"), ("memory", facts.limitsMemory ? size(jobMemory(facts) * 2) : "\"none\""),
            ("max_runners", "\(count)"),
        ]
    }

    /// A quarter of the memory, from 512 MiB to 4 GiB, in whole halves of a GiB.
    private static func jobMemory(_ facts: MachineFacts) -> Int64 {
        let half: Int64 = 512 << 20
        return max(half, min(8 * half, facts.memory / 4 / half * half))
    }

    private static func size(_ bytes: Int64) -> String { bytes % (1 << 30) == 0 ? "\"\(bytes >> 30)GiB\"" : "\"\(bytes >> 20)MiB\"" }

    /// For a pool's name: letters, digits and hyphens.
    static func slug(_ text: some StringProtocol) -> String {
        String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }.suffix(40))
    }

    private static func unique(_ name: String, _ used: inout Set<String>) -> String {
        var (candidate, number) = (name, 2)
        while !used.insert(candidate).inserted { (candidate, number) = ("\(name)-\(number)", number + 1) }
        return candidate
    }

    /// A basic string of TOML.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\u{0}"..."\u{1F}", "\u{7F}":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
