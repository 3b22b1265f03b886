import ContainerDriver
import FakeGitLab
import Fleet
import Foundation
import HTTPTransfer

/// Images without a registry.
extension TestEngine {
    /// The image that `ensureBusybox` makes.
    public static let busybox = "localhost/autogit-test-busybox:2"
    /// The image that `ensureRunnerImage` makes.
    public static let runner = "localhost/autogit-demo-runner:6"

    /// Makes the image `busybox` unless it exists: 2 MB with a shell, from Debian's busybox-static.
    public func ensureBusybox() async throws {
        try await Making.shared.once("\(directory ?? socket) \(Self.busybox)") { try await self.makeBusybox() }
    }

    /// Suites that run at once want the same image of a fresh engine: it is made by the first, and the others wait.
    private actor Making {
        static let shared = Making()
        private var made: [String: Task<Void, any Error>] = [:]

        func once(_ what: String, _ body: @escaping @Sendable () async throws -> Void) async throws {
            let task = made[what] ?? Task { try await body() }
            made[what] = task
            do { try await task.value } catch {
                made[what] = nil
                throw error
            }
        }
    }

    private func makeBusybox() async throws {
        if try await engine.imageExists(Self.busybox) { return }
        let work = "/var/tmp/autogit-busybox-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let script = """
            set -e; rm -rf \(work); mkdir -p \(work)/bin \(work)/tmp \(work)/etc; cp /bin/busybox \(work)/bin/busybox
            for name in sh sleep cat echo ls stat dd true false kill id head tail httpd wget mkdir env grep; do ln -s busybox \(work)/bin/$name; done
            tar -C \(work) -cf \(work).tar .
            """
        try await Command.run("sh", ["-c", script])
        try await load("\(work).tar", as: Self.busybox)
        try await Command.run("rm", ["-rf", work, "\(work).tar"])
    }

    /// Makes another image that is like `busybox` and has an id of its own.
    /// - Parameter name: without a tag; it gets `1`.
    public func makeImage(_ name: String) async throws {
        let container = try await engine.create(
            name: "base-\(UInt32.random(in: 0 ... .max))", body: Array(#"{"Image":"\#(Self.busybox)","Cmd":["/bin/true"]}"#.utf8))
        let target = "container=\(container)&repo=\(percentEncoded(name))&tag=1&comment=\(UInt32.random(in: 0 ... .max))"
        try await engine.call("POST", "/commit?\(target)", body: Array("{}".utf8))
        try await engine.remove(container)
    }

    /// The image that `ensureRunnerImage` makes for another architecture. One tag in one engine holds one architecture.
    public static func runner(for architecture: Architecture) -> String { "localhost/autogit-demo-runner-\(architecture.rawValue):6" }

    /// The image that `ensureGPUImage` makes.
    public static let standInGPU = "localhost/autogit-demo-standin-gpu:1"

    /// Makes the image `standInGPU` unless it exists: `runner` with stand-ins for nvidia-smi and PyTorch in it.
    /// - Parameter folder: with the recipes of both, `scripts`.
    public func ensureGPUImage(recipes folder: String) async throws {
        try await ensureRunnerImage(recipe: "\(folder)/runner-image")
        try await Making.shared.once("\(directory ?? socket) \(Self.standInGPU)") {
            if try await engine.imageExists(Self.standInGPU) { return }
            let tar = "/var/tmp/autogit-images/standin-gpu-\(getpid()).tar"
            try await Command.run("\(folder)/standin-gpu", [tar])
            defer { unlink(tar) }
            let container = try await engine.create(
                name: "base-\(UInt32.random(in: 0 ... .max))", body: Array(#"{"Image":"\#(Self.runner)","Cmd":["/bin/true"]}"#.utf8))
            _ = try await upload(tar, "PUT", "/containers/\(container)/archive?path=/")
            let name = Self.standInGPU.split(separator: ":")
            try await engine.call("POST", "/commit?container=\(container)&repo=\(percentEncoded(String(name[0])))&tag=\(name[1])", body: Array("{}".utf8))
            try await engine.remove(container)
        }
    }

    /// Makes the image `runner` unless it exists: gitlab-python-runner on Debian packages.
    /// - Parameters:
    ///   - recipe: the script that writes the image's tar to the path that it is given.
    ///   - architecture: another than this machine's, which the kernel has an emulator for: makes `runner(for:)`, in about two minutes.
    public func ensureRunnerImage(recipe: String, for architecture: Architecture? = nil) async throws {
        let name = architecture.map(Self.runner) ?? Self.runner
        try await Making.shared.once("\(directory ?? socket) \(name)") {
            if try await engine.imageExists(name) { return }
            let tar = "/var/tmp/autogit-images/demo-runner-6\(architecture.map { "-\($0)" } ?? "").tar"
            try await Command.run(recipe, [tar] + (architecture.map { [$0.rawValue] } ?? []))
            try await load(tar, as: name, for: architecture)
        }
    }

    /// Takes a tar of files for an image, as `docker save` would have it: an import has this machine's architecture on Docker Engine, whatever it is
    /// told (seen with 20.10).
    private func load(_ tar: String, as image: String, for architecture: Architecture? = nil) async throws {
        let work = "/var/tmp/autogit-load-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: work) }
        let script = """
            set -e; mkdir -p \(work); cd \(work); ln -s \(tar) layer.tar; digest=$(sha256sum layer.tar | cut -c 1-64)
            cat >config.json <<END
            {"architecture":"\(architecture ?? Self.native)","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:$digest"]}}
            END
            echo '[{"Config":"config.json","RepoTags":["\(image)"],"Layers":["layer.tar"]}]' >manifest.json
            tar -chf image.tar manifest.json config.json layer.tar
            """
        try await Command.run("sh", ["-c", script])
        let answer = try await upload("\(work)/image.tar", "POST", "/images/load")
        guard try await engine.imageExists(image) else {
            throw Command.Failed(description: "the engine did not take the image \(image): \(String(decoding: answer, as: UTF8.self))")
        }
    }

    /// This machine's.
    public static var native: Architecture {
        var names = utsname()
        uname(&names)
        let machine = withUnsafePointer(to: &names.machine) { $0.withMemoryRebound(to: CChar.self, capacity: 65) { String(cString: $0) } }
        return Architecture(named: machine) ?? .amd64
    }

    private func upload(_ tar: String, _ method: String, _ call: String) async throws -> [UInt8] {
        try await Command.run(
            "curl",
            [
                "--silent", "--show-error", "--unix-socket", socket, "--request", method, "--header", "Content-Type: application/x-tar", "--upload-file", tar,
                "http://engine\(call)",
            ])
    }
}
