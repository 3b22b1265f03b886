import Fleet
import Foundation
import HTTPTransfer
import RunnerConfiguration
import TestBench
import Testing

@testable import KubernetesDriver

/// Every body that the driver sends, over all that changes it. `Tests/System/kubernetes_driver.py` checks them against Kubernetes' own schemas: with
/// AUTOGIT_KUBERNETES_BODIES they are written to that folder.
@Suite(.timeLimit(.minutes(10))) struct BodiesTests {
    private static let specs: [(String, RunnerSpec)] = [
        ("plain", Bench.spec()),
        ("own-command", Bench.spec { $0.command = ["/opt/runner", "--flag"] }),
        (
            "shell",
            Bench.spec {
                $0.configuredExecutor = .shell
                $0.env = ["A": "1", "B_C": "2"]
                $0.capabilitiesAdd = ["NET_RAW"]
                $0.pull = .always
                $0.memory = 0
                $0.cpus = 0.25
            }
        ),
        (
            "kill",
            Bench.spec {
                $0.stopSignal = "SIGKILL"; $0.stopTimeout = .zero
            }
        ),
        (
            "placed",
            Bench.spec {
                $0.hardware.architecture = .arm64
                $0.kubernetes.serviceAccount = "runner"
                $0.kubernetes.tolerations = [
                    .init(key: "gpu", effect: "NoSchedule"), .init(key: "a", exists: false, value: "b", effect: "NoExecute", seconds: 60), .init(key: nil),
                ]
            }
        ),
        (
            "gpu",
            {
                var spec = Bench.spec { $0.hardware.gpu = .nvidia }
                spec.gpus = [GPU(id: "n/nvidia-0", vendor: .nvidia, name: "GPU")]
                return spec
            }()
        ),
        (
            "patched",
            Bench.spec {
                $0.kubernetes.podTemplate =
                    #"{"spec":{"runtimeClassName":"nvidia","imagePullSecrets":[{"name":"x"}],"containers":[{"name":"runner","lifecycle":null,"volumeMounts":[{"name":"s","mountPath":"/s"}]}],"volumes":[{"name":"s","emptyDir":{}}]}}"#
            }
        ),
    ]

    @Test func everyBodyIsWritten() async throws {
        let folder = ProcessInfo.processInfo.environment["AUTOGIT_KUBERNETES_BODIES"]
        var written: Set<String> = []
        for (name, spec) in Self.specs {
            let bench = try Bench()
            defer { bench.cluster.stop() }
            bench.cluster.obedience(.ignores)
            var credentials = Bench.credentials
            credentials.access.certificates = "-----BEGIN CERTIFICATE-----\n"
            _ = try await bench.driver.create(spec)
            try await bench.driver.start(spec, credentials: credentials)
            try await bench.driver.signal(spec.runner, spec.pool.stopSignal)
            try await bench.driver.remove(spec.runner)
            for (index, call) in bench.cluster.bodies.all.enumerated() {
                let kind = call.prefix { $0 != "{" }.trimmingCharacters(in: .whitespaces)
                let body = String(call.drop { $0 != "{" })
                _ = try JSONSerialization.jsonObject(with: Data(body.utf8))
                written.insert(kind)
                guard let folder else { continue }
                let file = "\(name)-\(index)-\(kind.replacingOccurrences(of: "/", with: "-").replacingOccurrences(of: " ", with: "-")).json"
                try body.write(toFile: "\(folder)/\(file)", atomically: false, encoding: .utf8)
            }
        }
        #expect(written == ["POST jobs", "POST secrets", "PATCH jobs/one", "DELETE pods/one", "DELETE jobs/one", "DELETE secrets/one"])
    }
}
