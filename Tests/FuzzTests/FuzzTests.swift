import Fleet
import Foundation
import FakeGitLab
import HTTPTransfer
import TestBench
import Testing

@testable import ContainerDriver
@testable import GitLab
@testable import HostProbe
@testable import Settings

/// Everything that comes from outside, bent and broken from a seed: what is read must end in a value or an error, at
/// once. A crash ends the test run; the slowest case may take a second of processor time.
///
/// `AUTOGIT_FUZZ_CASES` sets how many cases each reader gets; 20,000 by default, so 140,000 in all, and half as many requests to a
/// running daemon as one reader gets cases.
@Suite struct FuzzTests {
    static let cases = ProcessInfo.processInfo.environment["AUTOGIT_FUZZ_CASES"].flatMap { Int($0) } ?? 20_000

    private func fuzz(_ seed: UInt64, _ good: [[UInt8]], _ read: ([UInt8]) -> Void) {
        var bender = Bender(random: SplitMix(seed: seed))
        var slowest = Duration.zero
        var worst: [UInt8] = []
        for index in 0..<Self.cases {
            let input = bender.bend(good[index % good.count])
            let start = Self.processorTime
            read(input)
            let time = Self.processorTime - start
            if time > slowest { (slowest, worst) = (time, input) }
        }
        #expect(slowest < .seconds(1), "\(slowest) for: \(String(decoding: worst.prefix(500), as: UTF8.self))")
    }

    /// Of this thread: other work on the machine doesn't count.
    private static var processorTime: Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    static let payloads: [[UInt8]] = {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "GitLabTests/Payloads")
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return files.sorted { $0.path < $1.path }.compactMap { try? Array(Data(contentsOf: $0)) }
    }()

    @Test func webhooks() {
        #expect(Self.payloads.count >= 7)
        fuzz(1, Self.payloads) { input in
            switch try? JobHook.decode(input) {
            case .job(let job):
                // What gets through is of use: it is known, and not of our making.
                #expect(job.id > 0 && job.projectID > 0 && job.status.isKnown)
            case .unusable, nil: break
            }
        }
    }

    @Test func gitLabsAnswers() {
        let graph =
            #"{"data":{"jobs":{"nodes":[{"id":"gid://gitlab/Ci::Build/1","name":"a","status":"PENDING","tags":["x"],"runner":null,"pipeline":{"project":{"id":"gid://gitlab/Project/2","fullPath":"a/b"}}}],"pageInfo":{"hasNextPage":true,"endCursor":"x"}}}}"#
        fuzz(2, Self.payloads + [Array(graph.utf8)]) { input in
            let data = Data(input)
            _ = try? JSONDecoder().decode(JobResource.self, from: data)
            _ = try? JSONDecoder().decode(RunnerResource.self, from: data)
            _ = try? JSONDecoder().decode(NewRunnerResource.self, from: data)
            _ = try? JSONDecoder().decode([Element<JobResource>].self, from: data)
            _ = try? JSONDecoder().decode(InstanceJobs.self, from: data)
        }
    }

    @Test func gitLabsLinks() {
        let good = #"<http://h/api/v4/jobs?page=1>; rel="prev", <http://h/api/v4/jobs?page=3>; rel="next", <http://h/api/v4/jobs?page=9>; rel="last""#
        func next(_ link: String) -> String? { Paging.next(after: HTTPResponse(status: 200, headers: [("link", link)], body: [])) }
        #expect(next(good) == "/api/v4/jobs?page=3")
        var found = 0
        fuzz(3, [Array(good.utf8)]) { input in
            let link = String(decoding: input, as: UTF8.self)
            guard let path = next(link) else { return }
            found += 1
            // Only what GitLab named as the next page: from its API's root to the end of the address.
            #expect(path.hasPrefix("/api/v4/") && link.contains("\(path)>") && link.contains(#"rel="next""#), "\(path) from \(link)")
        }
        #expect(found > 0)
    }

    @Test func theEnginesStreams() {
        let good = [
            #"{"status":"die","Action":"die","Actor":{"ID":"x","Attributes":{"autogit.runner":"abc","exitCode":"137"}}}"#,
            #"{"status":"Downloading","progressDetail":{"current":1,"total":2},"id":"x"}"# + "\n" + #"{"error":"no such image"}"# + "\n",
        ].map { Array($0.utf8) }
        fuzz(4, good + [[1, 0, 0, 0, 0, 0, 0, 3] + Array("ab\n".utf8), [2, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]]) { input in
            _ = ContainerEvent(input)
            var progress = PullProgress()
            _ = try? progress.take(input)
            _ = KeptLog(runner: "r", at: Timestamp(milliseconds: 0), output: input).lastLines(10)
            var frames = LogFrames()
            let half = input.count / 2
            let pieces = frames.take(Array(input[..<half])) + frames.take(Array(input[half...]))
            #expect(pieces.count <= input.count)
        }
    }

    /// Files that root reads outside of the sandbox.
    @Test func whatAHostSays() {
        let good = [
            "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: \"0\"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\n    env: [A=1, 'B=2']\n",
            #"{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"GPU-a","containerEdits":{"deviceNodes":[{"path":"/dev/nvidia0"}]}}]}"#,
            "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: POCF\noffset 0\nmagic 7f454c460201010000000000000000000200b700\n",
            "0, GPU-a, NVIDIA T4, 15360, 00000000:01:00.0\n", "GPU UUID: GPU-a\nDevice Minor: 0\nBus Location: 0000:01:00.0\n",
            "4,7,1000,-;NVRM: Xid (PCI:0000:01:00): 31, pid=1\n DEVICE=+pci:0000:01:00.0\n",
        ]
        fuzz(8, good.map { Array($0.utf8) }) { input in
            let text = String(decoding: input, as: UTF8.self)
            var sources = GPUSources()
            var remarks: [String] = []
            for isYAML in [false, true] {
                guard let specification = try? CDISpecification(input, isYAML: isYAML) else { continue }
                sources.cdi += CDIDevice.all([("/etc/cdi/x", specification)], remarks: &remarks)
            }
            sources.rows = NvidiaRow.all(text, remarks: &remarks)
            sources.information = [NvidiaInformation(folder: "0000:01:00.0", text)]
            for node in ["/dev/nvidia0"] + sources.cdi.flatMap(\.nodes) { sources.groups[node] = 0 }
            let gpus = sources.gpus(remarks: &remarks)
            // What is given to containers: each once, and never all of them.
            #expect(Set(gpus.map(\.id)).count == gpus.count && gpus.allSatisfy { $0.cdi?.hasSuffix("=all") != true })
            _ = try? BinaryFormat(name: "x", text).architecture
            _ = KernelLog.faults(in: text, booted: 0)
        }
    }

    /// Broken texts, through the daemon itself: it must end by itself, and say that the configuration is bad.
    @Test func brokenConfigurationFiles() async throws {
        let good = """
            [gitlab]
            url = "http://192.168.1.170:3000"
            token_file = "/nonexistent"
            poll_interval = "30s"
            [host]
            memory = "20GiB"
            [[pool]]
            name = "default"
            tags = ["autogit", "docker"]
            env = { A = "b" }
            memory = "2GiB"
            cpus = 2.5
            cooldown = "1h30m"
            register = "group:7"
            """
        var bender = Bender(random: SplitMix(seed: 5))
        let texts = ["[.x]\n", "a = [,]\n", "\n\n[[=\n", "a = " + String(repeating: "[", count: 50_000)]
        let inputs = texts.map { Array($0.utf8) } + (0..<Self.cases / 100).map { _ in bender.bend(Array(good.utf8)) }
        let scratch = try ScratchFolder("fuzz")
        let file = "\(scratch.path)/autogit.toml"
        for input in inputs {
            try Data(input).write(to: URL(fileURLWithPath: file))
            let done = try await run(product("autogitd"), ["--check", "--config", file])
            // The token's file isn't there, so nothing is good, whatever else is said.
            #expect(
                done.exited && done.code == 78 && !done.out.isEmpty,
                "\(done.code) \(done.out) for: \(String(decoding: input, as: UTF8.self))")
        }
    }

    /// Good TOML with keys and values of all kinds in all places.
    @Test func strangeConfigurations() throws {
        let keys =
            SettingsSchema.sections.flatMap { $0.keys.map(\.name) } + SettingsSchema.pool.map(\.name)
            + ["days", "from", "to", "time_zone", "schedule", "x", "\"\"", "\"a b\""]
        let values = [
            "1", "-1", "0", "9223372036854775807", "1.5", "nan", "-inf", "1e308", "true", "\"\"", "\"x\"", "\"2GiB\"", "\"-5m\"", "\"99999999999999h\"",
            "\"http://[::1\"", "\"SIGQUIT\"", "\"group:\"", "[]", "[1, \"a\"]", "[[\"a\"]]", "{}", "{ a = 1 }", "1979-05-27", "07:32:00", "\"\\u0000\"",
            "\"\\u001b[2J\"", "\"0.0.0.0:99999\"", "[\"mon-mon\"]", "\"24:00\"", "\"auto\"", "\"../UTC\"", "[{ from = \"08:00\", warm = 1 }]",
        ]
        let sections = ["[gitlab]", "[listen]", "[state]", "[engine]", "[host]", "[[pool]]", "[[pool]]", "[[pool.schedule]]", "[[gitlab]]", "[x]"]
        let environment = SettingsEnvironment(machineMemory: 64 << 30, credentialsDirectory: nil)
        var bender = Bender(random: SplitMix(seed: 7))
        for _ in 0..<Self.cases {
            var text = ""
            for _ in 0...bender.below(6) {
                text += sections[bender.below(sections.count)] + "\n"
                var used: Set<String> = []
                for _ in 0..<bender.below(8) {
                    let key = keys[bender.below(keys.count)]
                    if used.insert(key).inserted { text += "\(key) = \(values[bender.below(values.count)])\n" }
                }
            }
            do {
                _ = try Settings.parse(text, file: "f", environment: environment)
                Issue.record("taken: \(text)")
            } catch let invalid as InvalidSettings {
                #expect(!invalid.errors.isEmpty && invalid.errors.allSatisfy { !$0.message.isEmpty })
            } catch is NotConfigured {
            } catch {
                Issue.record("another error: \(error) for \(text)")
            }
        }
    }

    @Test func sizesAndTimes() {
        fuzz(6, ["2GiB", "1.5 GB", "1h30m", "250ms"].map { Array($0.utf8) }) { input in
            let text = String(decoding: input, as: UTF8.self)
            if let bytes = Units.bytes(text) { #expect(bytes >= 0) }
            if let time = Units.duration(text) { #expect(time >= .zero) }
        }
    }
}
