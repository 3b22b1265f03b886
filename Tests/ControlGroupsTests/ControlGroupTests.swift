import Foundation
import TestBench
import Testing

@testable import ControlGroups

/// With files as a kernel 6.1 writes them.
@Suite struct ControlGroupTests {
    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder("groups") }

    private func write(_ text: String, to path: String) throws {
        let file = URL(fileURLWithPath: "\(scratch.path)/\(path)")
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: false, encoding: .utf8)
    }

    @Test func itsUseIsReadWithoutWhatTheKernelKeepsOfFiles() throws {
        try write("usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_periods 0\n", to: "a.slice/cpu.stat")
        try write("104857600\n", to: "a.slice/memory.current")
        try write("anon 20971520\nfile 83886080\ninactive_anon 1\nactive_file 4096\ninactive_file 41943040\n", to: "a.slice/memory.stat")
        try write("low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\noom_group_kill 0\n", to: "a.slice/memory.events")
        #expect(ControlGroup("/a.slice", root: scratch.path).use() == .init(cpu: .milliseconds(1500), memory: 60 << 20, memoryKills: 2))
    }

    @Test func withoutTheMemoryControllerThereIsCPUTimeOnly() throws {
        try write("usage_usec 7\n", to: "b/cpu.stat")
        #expect(ControlGroup("/b", root: scratch.path).use() == .init(cpu: .microseconds(7), memory: nil, memoryKills: nil))
    }

    @Test func oneThatIsGoneUsesNothing() { #expect(ControlGroup("/c", root: scratch.path).use() == nil) }

    private static let container = String(repeating: "c0ffee", count: 10) + "0000"

    /// The names that engines give: Docker and Podman with systemd, rootless and not, and with cgroupfs.
    @Test(arguments: [
        "system.slice/docker-ID.scope", "machine.slice/libpod-ID.scope", "user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
        "docker/ID", "user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_1.slice/libpod-ID",
    ])
    func aContainersGroupIsFoundByItsName(name: String) throws {
        let name = name.replacing("ID", with: Self.container)
        try write("cpu memory\n", to: "cgroup.controllers")
        try write("", to: "a.slice/libpod-conmon-\(Self.container).scope/cgroup.procs")
        try write("", to: "\(name)/container/cgroup.procs")
        #expect(ControlGroup(of: Self.container, root: scratch.path)?.path == "\(scratch.path)/\(name)")
    }

    @Test func aContainerOfAnotherMachineHasNone() throws {
        try write("cpu memory\n", to: "cgroup.controllers")
        try write("", to: "system.slice/docker-\(Self.container.reversed().map(String.init).joined()).scope/cgroup.procs")
        #expect(ControlGroup(of: Self.container, root: scratch.path) == nil)
    }

    /// Where version 1 is mounted there is no such file at the root, and the groups below measure one thing each.
    @Test func withVersion1ThereIsNone() throws {
        try write("", to: "memory/docker/\(Self.container)/cgroup.procs")
        #expect(ControlGroup(of: Self.container, root: scratch.path) == nil)
    }
}
