import Fleet
import Foundation
import TestBench
import Testing

@testable import Settings

/// Architectures and GPUs in the configuration of a machine that is amd64.
@Suite struct SettingsHardwareTests {
    private let scratch: ScratchFolder

    init() throws {
        scratch = try ScratchFolder("settings-hardware")
        try "glpat-secret\n".write(toFile: "\(scratch.path)/token", atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: "\(scratch.path)/token")
    }

    private func parse(_ pool: String, on architecture: Architecture? = .amd64) throws -> Pool {
        let text = "[gitlab]\nurl = \"http://g\"\ntoken_file = \"\(scratch.path)/token\"\n[[pool]]\nname = \"p\"\ntags = [\"a\"]\n\(pool)\n"
        return try Settings.parse(
            text, file: "f", environment: .init(machineMemory: 100 << 30, credentialsDirectory: nil, architecture: architecture)
        ).pools[0]
    }

    private func complaint(_ pool: String, on architecture: Architecture? = .amd64) -> String {
        do {
            _ = try parse(pool, on: architecture)
            return ""
        } catch { return "\(error)" }
    }

    @Test func aPoolIsOfTheHostsArchitectureWithoutGPUsByDefault() throws {
        let pool = try parse("")
        #expect(pool.hardware == HardwareNeeds() && pool.hardware.isModest && pool.executor == .docker && pool.tags == ["a"])
    }

    @Test(arguments: ["aarch64", "arm64", "arm64/v8", "ARM64"])
    func allNamesOfAnArchitectureAreTaken(name: String) throws {
        let pool = try parse("architecture = \"\(name)\"\nemulation = \"only\"")
        #expect(pool.hardware == HardwareNeeds(architecture: .arm64, emulation: .only))
    }

    @Test func anEmulatedPoolUsesTheShellExecutorAndANativeOneEither() throws {
        #expect(try parse("architecture = \"arm64\"").executor == .shell)
        #expect(try parse("architecture = \"x86_64\"").executor == .docker)
        #expect(try parse("architecture = \"arm64\"", on: .arm64).executor == .docker)
        #expect(try parse("architecture = \"i386\"").executor == .docker)
        let error = complaint("architecture = \"arm64\"\nexecutor = \"docker\"")
        #expect(error.contains("f:8: pool[0].executor: \"docker\" can't be emulated: gitlab-runner doesn't tell the engine"))
        #expect(complaint("architecture = \"arm64\"\nexecutor = \"docker\"", on: .arm64) == "")
        #expect(complaint("architecture = \"arm64\"\nexecutor = \"docker\"", on: nil) == "", "the planner knows better later")
    }

    @Test func tagsOfTheArchitecture() throws {
        #expect(try parse("architecture_tags = true").tags == ["a", "amd64", "x86_64"])
        #expect(try parse("architecture_tags = true").hardware.architecture == .amd64)
        #expect(try parse("architecture = \"aarch64\"\narchitecture_tags = true").tags == ["a", "arm64", "aarch64"])
        #expect(try parse("architecture = \"riscv64\"\narchitecture_tags = true").tags == ["a", "riscv64"])
        #expect(complaint("architecture_tags = true", on: nil).contains("needs architecture"))
    }

    @Test func gpus() throws {
        let pool = try parse("gpu = \"nvidia\"\ngpus = 2\ngpu_share = 3")
        #expect(pool.hardware == HardwareNeeds(gpu: .nvidia, gpus: .some(2), gpuShare: 3))
        #expect(pool.executor == .shell, "most engines can't give a GPU to a job's own container")
        #expect(try parse("gpu = \"amd\"\ngpus = \"all\"").hardware.gpus == .all)
        #expect(try parse("gpu = \"amd\"\nexecutor = \"docker\"").executor == .docker)
    }

    @Test(arguments: [
        ("architecture = \"sparc\"", "\"sparc\" is not valid; expected an architecture"), ("emulation = \"deny\"", "no effect without architecture"),
        ("architecture = \"arm64\"\nemulation = \"maybe\"", "expected \"allow\", \"deny\" or \"only\""), ("gpus = 1", "no effect without gpu"),
        ("gpu_share = 2", "no effect without gpu"), ("gpu = \"matrox\"", "expected \"nvidia\", \"amd\" or \"intel\""),
        ("gpu = \"nvidia\"\ngpus = \"some\"", "expected a number from 1 to 64, or \"all\""), ("gpu = \"nvidia\"\ngpus = 0", "from 1 to 64"),
        ("gpu = \"nvidia\"\ngpu_share = 0", "from 1 to 1000"),
        ("driver = \"scope\"\narchitecture = \"arm64\"", "a runner in a scope is a process of this host, which is amd64"),
    ])
    func whatCannotBeIsRefusedWithTheWayOut(pool: String, expected: String) { #expect(complaint(pool).contains(expected), "\(complaint(pool))") }

    @Test func aScopeOfTheHostsArchitectureMaySaySo() throws {
        #expect(try parse("driver = \"scope\"\narchitecture = \"amd64\"").hardware.architecture == .amd64)
    }
}
