import Fleet
import Foundation
import Glibc

/// A CDI specification of harmless devices under NVIDIA's name, for a machine without a GPU. It shows that a container gets the device, the variable
/// and the mount that CDI has for it; of a real driver it shows nothing. It needs root, and is in /etc/cdi until `remove`.
public struct StandInGPUs: Sendable {
    /// Where each container with one of them finds the mounted file.
    public static let mount = "/run/autogit-standin-gpu"
    private static let (folder, prefix) = ("/etc/cdi", "autogit-standin-")

    /// The specification's file.
    public let path: String
    /// Their names for an engine, such as `nvidia.com/gpu=standin-12-34-0`: no other machine's and no other run's.
    public let devices: [String]

    /// - Parameters:
    ///   - count: how many; the n-th is /dev/autogit-standin-gpuN in its container, and AUTOGIT_STANDIN_GPU is N there, from 0.
    ///   - file: what is mounted, a file that stays as long as they do.
    /// - Throws: `CocoaError` when the file can't be made. One that is there stays as it is.
    public init(_ count: Int, mounting file: String) throws {
        let manager = FileManager.default
        try manager.createDirectory(atPath: Self.folder, withIntermediateDirectories: true)
        Self.removeStale()
        let id = "\(getpid())-\(UInt16.random(in: 0 ... .max))"
        path = "\(Self.folder)/\(Self.prefix)\(id).json"
        devices = (0..<count).map { "nvidia.com/gpu=standin-\(id)-\($0)" }
        let edits: [[String: Any]] = (0..<count).map { index in
            [
                "name": "standin-\(id)-\(index)",
                "containerEdits": [
                    "deviceNodes": [["path": "/dev/autogit-standin-gpu\(index)", "hostPath": "/dev/null"]], "env": ["AUTOGIT_STANDIN_GPU=\(index)"],
                ],
            ]
        }
        let specification: [String: Any] = [
            // The first with `hostPath` of a node.
            "cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": edits,
            "containerEdits": ["mounts": [["hostPath": file, "containerPath": Self.mount, "options": ["ro", "bind"]]]],
        ]
        // Podman reads it as YAML, which refuses `\/` (seen with 4.3.1).
        try JSONSerialization.data(withJSONObject: specification, options: .withoutEscapingSlashes).write(
            to: URL(fileURLWithPath: path), options: .withoutOverwriting)
    }

    /// Takes the specification away, and the folder if that leaves it empty. Once is enough.
    public func remove() {
        unlink(path)
        rmdir(Self.folder)
    }

    /// Whether a GPU that a probe found is one of these, of whichever run.
    public static func isOne(_ gpu: GPU) -> Bool { gpu.cdi?.hasPrefix("nvidia.com/gpu=standin-") ?? false }

    /// Those of runs that were killed.
    private static func removeStale() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasPrefix(prefix) {
            guard let owner = Int32(name.dropFirst(prefix.count).prefix { $0 != "-" }), kill(owner, 0) != 0, errno == ESRCH else { continue }
            unlink("\(folder)/\(name)")
        }
    }
}
