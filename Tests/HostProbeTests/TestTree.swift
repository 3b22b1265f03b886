import FoundationEssentials
import Glibc
import TestBench

@testable import HostProbe

/// A folder that looks like a host.
struct TestTree {
    private let scratch: ScratchFolder
    var root: String { scratch.path }

    init(_ files: [String: String] = [:]) throws {
        scratch = try ScratchFolder("tree")
        for (path, text) in files { try write(path, text) }
    }

    func write(_ path: String, _ text: String) throws { try write(path, Data(text.utf8)) }

    func write(_ path: String, _ data: Data) throws {
        let full = root + path
        try FileManager.default.createDirectory(atPath: String(full[..<full.lastIndex(of: "/")!]), withIntermediateDirectories: true)
        try data.write(to: URL(filePath: full))
    }

    func program(_ path: String, _ script: String) throws {
        try write(path, "#!/bin/sh\n\(script)\n")
        chmod(root + path, 0o755)
    }

    func look(user: UInt32? = nil, programLimit: Duration = .seconds(30)) -> ProbedHost {
        ProbedHost.collect(root: root, user: user, programLimit: programLimit)
    }
}
