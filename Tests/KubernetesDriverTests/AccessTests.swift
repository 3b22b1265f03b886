import FakeGitLab
import Fleet
import Foundation
import HTTPTransfer
import TestBench
import Testing

@testable import KubernetesDriver

/// Where a cluster is, and who AutoGit is there.
@Suite(.timeLimit(.minutes(10))) struct AccessTests {
    /// As `kubectl config` 1.20 writes it, but for the lengths.
    private static let yaml = """
        apiVersion: v1
        clusters:
        - cluster:
            certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIK
            server: https://10.0.0.1:6443
          name: home
        - cluster:
            certificate-authority: ca.crt
            server: https://lab.example/k8s/clusters/c-1/
          name: lab
        - cluster:
            insecure-skip-tls-verify: true
            server: https://10.0.0.2:6443
          name: open
        contexts:
        - context:
            cluster: home
            namespace: ci
            user: autogit
          name: home
        - context:
            cluster: home
            user: cloud
          name: cloud
        - context:
            cluster: lab
            user: cert
          name: lab
        - context:
            cluster: open
            user: cert
          name: open
        - context:
            cluster: lab
            user: half
          name: half
        current-context: home
        kind: Config
        preferences: {}
        users:
        - name: autogit
          user:
            token: eyJhbGciOiJSUzI1NiIsImtpZCI6Ing
        - name: cert
          user:
            client-certificate-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIK
            client-key-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIK
        - name: half
          user:
            client-certificate: /etc/cert.pem
        - name: cloud
          user:
            exec:
              apiVersion: client.authentication.k8s.io/v1beta1
              args:
              - eks
              - get-token
              command: aws
              env:
              - name: A
                value: b
              interactiveMode: IfAvailable
              provideClusterInfo: false

        """

    private func refusal(_ body: () throws -> Void) throws -> String {
        do { try body() } catch { return try #require(error as? KubeAccess.Unusable, "\(error)").description }
        throw CocoaError(.featureUnsupported)
    }

    @Test func aKubeconfigInYAMLIsRead() throws {
        let config = try Kubeconfig(Self.yaml, path: "/home/a/.kube/config")
        let access = try config.access()
        #expect(access.server == "https://10.0.0.1:6443" && access.namespace == "ci" && access.token == .text(Secret("eyJhbGciOiJSUzI1NiIsImtpZCI6Ing")))
        #expect(access.pem.authorities == Array("-----BEGIN CERTIFICATE-----\nMIIB\n".utf8) && access.caFile == nil && access.pem.key == nil)
        let lab = try config.access(context: "lab")
        #expect(lab.server == "https://lab.example/k8s/clusters/c-1" && lab.namespace == "default" && lab.token == nil)
        #expect(lab.caFile == "/home/a/.kube/ca.crt" && lab.pem.certificate == lab.pem.key && lab.pem.key?.isEmpty == false)
    }

    @Test(arguments: [
        ("cloud", "has exec for its user"), ("open", "insecure-skip-tls-verify"), ("half", "client certificate without its key"),
        ("nowhere", "has no context nowhere, only home, cloud, lab, open, half"),
    ])
    func whatWouldNeedAProgramOrWeakenTLSIsRefused(context: String, words: String) throws {
        let config = try Kubeconfig(Self.yaml, path: "/k")
        let why = try refusal { _ = try config.access(context: context) }
        #expect(why.contains(words) && why.hasPrefix("the kubeconfig /k ") && !why.contains("eyJ"), "\(why)")
    }

    @Test func aKubeconfigInJSONIsReadAndWhatIsNeitherNamesTheCommand() throws {
        let json = """
            {"kind":"Config","clusters":[{"name":"a","cluster":{"server":"https://h:6443"}}],"contexts":[{"name":"a","context":{"cluster":"a","user":"u"}}],
             "users":[{"name":"u","user":{"tokenFile":"token"}}],"current-context":"a"}
            """
        #expect(try Kubeconfig(json, path: "/etc/autogit/kube.json").access().token == .file("/etc/autogit/token"))
        let why = try refusal { _ = try Kubeconfig("users:\n- user:\n    token: |\n      secret-text\n", path: "/k") }
        #expect(why.contains("line 3") && why.contains("kubectl config view --raw --flatten --minify -o json") && !why.contains("secret-text"))
        #expect(try refusal { _ = try Kubeconfig("{\"a\": secret-text", path: "/k") } == "the kubeconfig /k is not valid JSON")
        #expect(try refusal { _ = try Kubeconfig(path: "/nowhere/config") }.contains("can't be read"))
        #expect(try refusal { _ = try Kubeconfig("{}", path: "/k").access() }.contains("no current-context"))
    }

    @Test func aPodHasItsServiceAccount() throws {
        let folder = try ScratchFolder("account")
        let environment = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"]
        #expect(try refusal { _ = try KubeAccess.inCluster(environment: [:], folder: folder.path) }.contains("does not run in a pod"))
        #expect(try refusal { _ = try KubeAccess.inCluster(environment: environment, folder: folder.path) }.contains("namespace can't be read"))
        for (name, text) in [("namespace", "ci\n"), ("token", "t"), ("ca.crt", "c")] {
            try text.write(toFile: "\(folder.path)/\(name)", atomically: false, encoding: .utf8)
        }
        let access = try KubeAccess.inCluster(environment: environment, folder: folder.path)
        #expect(access.server == "https://[fd00::1]:443" && access.namespace == "ci" && access.token == .file("\(folder.path)/token"))
        #expect(access.caFile == "\(folder.path)/ca.crt")
    }

    /// Kubernetes renews it in its file before it goes out of use.
    @Test func aTokenInAFileIsReadAgain() async throws {
        let bench = try Bench()
        defer { bench.cluster.stop() }
        let folder = try ScratchFolder("token")
        let path = "\(folder.path)/token"
        func write(_ token: String) throws { try "\(token)\n".write(toFile: path, atomically: false, encoding: .utf8) }
        try write("secret-token")
        var access = bench.cluster.access
        access.token = .file(path)
        let driver = Bench.driver(KubeAPI(access, http: HTTPClient(), clock: bench.clock), bench.clock)
        #expect(try await driver.list().isEmpty)
        // It is refused before the minute is over: then the file is looked at.
        bench.cluster.state.withLock { $0.token = "next" }
        try write("next")
        #expect(try await driver.list().isEmpty)
        try write("stale")
        #expect(try await driver.list().isEmpty, "it is known for a minute")
        try await bench.clock.sleep(for: .seconds(61))
        let error = try await bench.failure { _ = try await driver.list() }
        #expect(error.status == 401 && error.isOutage && error.message.contains("credentials") && !error.message.contains("stale"))
        try FileManager.default.removeItem(atPath: path)
        #expect(try await bench.failure { _ = try await driver.list() }.message.contains("can't be read"))
    }

    /// With certificates as texts, as a kubeconfig has them: a server that wants to know who asks.
    @Test func aServerThatWantsACertificateGetsOne() async throws {
        let scratch = try ScratchFolder("kube-tls")
        let tls = try await ServerTLS.make(in: scratch.path)
        let (ours, key) = ("\(scratch.path)/ours.pem", "\(scratch.path)/ours.key")
        try await Command.run(
            "openssl",
            [
                "req", "-x509", "-days", "2", "-subj", "/CN=AutoGit", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                ours, "-addext", "extendedKeyUsage=clientAuth",
            ])
        try #"{"gitVersion":"v1.30.1+k3s1"}"#.write(toFile: "\(scratch.path)/version", atomically: false, encoding: .utf8)
        let port = try freePort()
        // It serves files of the folder that it is in, and ends with us at the latest.
        let words = [
            "s_server", "-accept", "127.0.0.1:\(port)", "-cert", tls.certificateFile, "-key", tls.keyFile, "-CAfile", ours, "-Verify", "1",
            "-verify_return_error", "-WWW", "-quiet",
        ]
        let server = try await Child.start(
            "sh", ["-c", "cd \(scratch.path) && exec openssl \(words.joined(separator: " "))"], log: "\(scratch.path)/s_server.log")
        defer { server.killWithForks() }
        func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }
        func version(_ pem: PEM) async throws -> String? {
            var access = KubeAccess(server: "https://127.0.0.1:\(port)")
            access.pem = pem
            var tries = 0
            while true {
                let api = KubeAPI(access, http: HTTPClient())
                do { return try await api.call("GET", "/version").text } catch let error as KubernetesError {
                    // The server takes a moment to listen.
                    guard error.message.contains("does not answer"), error.message.contains("onnect"), tries < 100 else { throw error }
                    tries += 1
                    try await Task.sleep(for: .milliseconds(100))
                }
            }
        }
        let all = PEM(authorities: try bytes(tls.caFile), certificate: try bytes(ours), key: try bytes(key))
        #expect(try await version(all)?.contains("k3s1") == true)
        let stranger = await #expect(throws: KubernetesError.self) { _ = try await version(PEM(authorities: all.authorities)) }
        #expect(stranger?.isOutage == true)
        let other = await #expect(throws: KubernetesError.self, "we don't know who answers") {
            _ = try await version(PEM(authorities: all.certificate, certificate: all.certificate, key: all.key))
        }
        #expect(other?.message.contains("is not known to be the cluster") == true, "\(String(describing: other))")
        #expect("\(all)" == "(not shown)")
    }
}
