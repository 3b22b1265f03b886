import Fleet
import Foundation
import TestBench
import Testing

@testable import Settings

/// Hosts with `engine = "kubernetes"`, `[pool.kubernetes]`, and what of gitlab-runner's own keys would break AutoGit's rules there.
@Suite struct SettingsKubernetesTests {
    private let scratch: ScratchFolder
    private let pool = "[[pool]]\nname = \"p\"\ntags = [\"a\"]\n"
    private let local = "[[host]]\nname = \"local\"\n"
    private let cluster = "[[host]]\nname = \"c\"\nengine = \"kubernetes\"\n"

    init() throws {
        scratch = try ScratchFolder("settings-kubernetes")
        for name in ["token", "kubeconfig"] {
            #expect(FileManager.default.createFile(atPath: "\(scratch.path)/\(name)", contents: Data("x".utf8), attributes: [.posixPermissions: 0o600]))
        }
    }

    private func parse(_ text: String) throws -> Settings {
        let head = "[gitlab]\nurl = \"http://g\"\ntoken_file = \"\(scratch.path)/token\"\n"
        return try Settings.parse("\(head)\(text)\n", file: "f", environment: .init(machineMemory: 100 << 30, credentialsDirectory: nil))
    }

    private func errors(_ text: String) -> [SettingsError] {
        do { _ = try parse(text) } catch { return (error as? InvalidSettings)?.errors ?? [SettingsError(file: "", message: "\(error)")] }
        return []
    }

    // MARK: Where it is, and what it can't do

    @Test func aClusterIsNamedByItsKubeconfig() throws {
        let file = "\(scratch.path)/kubeconfig"
        func host(_ more: String) -> String { "[[host]]\nname = \"c\"\nengine = \"kubernetes\"\n\(more)\n\(pool)" }
        let all = host("kubeconfig = \"\(file)\"\ncontext = \"home\"\nnamespace = \"ci\"")
        #expect(try parse(all).hosts[0].engine == .kubernetes(KubernetesPlace(kubeconfig: file, context: "home", namespace: "ci")))
        #expect(try parse(all).files.contains(ServiceFile(key: "host[0].kubeconfig", path: file)))
        #expect(try parse(host("")).hosts[0].engine == .kubernetes(KubernetesPlace()))
        #expect(errors(host("context = \"home\"")).map(\.key) == ["host[0].context"])
        #expect(errors(host("kubeconfig = \"/nowhere\"")).map(\.key) == ["host[0].kubeconfig"])
        #expect(errors(host("runner_socket = \"/s\"")).map(\.key) == ["host[0].runner_socket"])
        chmod(file, 0o644)
        #expect(errors(all).first?.message.contains("chmod 600 \(file)") == true)
    }

    @Test func whatAClusterCannotDoIsRefusedForPoolsThatMayGoThere() throws {
        let found = errors("\(cluster)\(pool)mounts = [\"/a:/a\"]\nnetwork = \"host\"")
        #expect(found.map(\.key) == ["pool[0].hosts"] && found.allSatisfy { $0.message.contains("mounts") && $0.message.contains("network") }, "\(found)")
        #expect(errors("\(local)\(cluster)\(pool)mounts = [\"/a:/a\"]\nhosts = [\"local\"]").isEmpty)
    }

    @Test(arguments: [
        ("*", KubernetesPool.Toleration(key: nil)), ("gpu", .init(key: "gpu")),
        ("gpu=yes:NoSchedule", .init(key: "gpu", exists: false, value: "yes", effect: "NoSchedule")),
        ("a.b/c=:NoExecute:60", .init(key: "a.b/c", exists: false, value: "", effect: "NoExecute", seconds: 60)),
        ("*:NoExecute", .init(key: nil, effect: "NoExecute")),
    ])
    func tolerations(text: String, toleration: KubernetesPool.Toleration) throws {
        #expect(KubernetesPool.Toleration(text) == toleration && toleration.text == text)
        #expect(try parse("\(local)\(pool)[pool.kubernetes]\ntolerations = [\"\(text)\"]").pools[0].kubernetes.tolerations == [toleration])
    }

    @Test(arguments: ["", "=x", "*=x", "a:Sometimes", "a:NoSchedule:60", "a:NoExecute:x", "a b", "a:NoExecute:99999999999999999999"])
    func noTolerations(text: String) {
        #expect(errors("\(local)\(pool)[pool.kubernetes]\ntolerations = [\"\(text)\"]").map(\.key) == ["pool[0].kubernetes.tolerations"])
    }

    @Test func aPodTemplateIsAJSONObject() throws {
        func template(_ text: String) -> String { "\(local)\(pool)[pool.kubernetes]\npod_template = '\(text)'" }
        #expect(try parse(template(#"{"spec": {}}"#)).pools[0].kubernetes.podTemplate == #"{"spec": {}}"#)
        for bad in ["[]", "spec: {}", "{", ""] { #expect(errors(template(bad)).map(\.key) == ["pool[0].kubernetes.pod_template"], "\(bad)") }
    }

    /// It bounds what a runner reserves, so it is no error; its default may be nobody's choice.
    @Test func aBoundOfServicesThatClustersDoNotKnowIsTold() throws {
        let limit = "[pool.docker]\nservices_limit = 1\n"
        let notes = try parse("\(cluster)\(pool)\(limit)").notes
        #expect(notes.count == 1 && notes.allSatisfy { $0.hasPrefix("services_limit of pool p") && $0.contains(" on c, ") }, "\(notes)")
        #expect(try parse("\(cluster)\(pool)").notes.isEmpty && parse("\(cluster)\(local)\(pool)hosts = [\"local\"]\n\(limit)").notes.isEmpty)
    }

    // MARK: gitlab-runner's own keys

    @Test(arguments: [
        ("namespace = \"x\"", "namespace", "use namespace in [[host]]"), ("NameSpace = \"x\"", "NameSpace", "use namespace in [[host]]"),
        ("namespace_overwrite_allowed = \".*\"", "namespace_overwrite_allowed", "neither finds nor removes"),
        ("namespace_per_job = true", "namespace_per_job", "neither finds nor removes"),
        ("host = \"https://h\"", "host", "use a [[host]] for each cluster"), ("bearer_token = \"x\"", "bearer_token", "service_account in [pool.kubernetes]"),
        ("cert_file = \"/x\"", "cert_file", "use service_account in"), ("ca_file = \"/x\"", "ca_file", "use service_account in"),
        ("bearer_token_overwrite_allowed = true", "bearer_token_overwrite_allowed", "use service_account in [pool.kubernetes]"),
        ("pod_labels = { team = \"x\" }", "pod_labels", "use pod_annotations"),
        ("pod_labels_overwrite_allowed = \".*\"", "pod_labels_overwrite_allowed", "the labels by which AutoGit finds"),
        ("privileged = true", "privileged", "use privileged in [pool.docker]"),
        ("build_container_security_context = { privileged = true }", "build_container_security_context.privileged", "use privileged in [pool.docker]"),
        (
            "helper_container_security_context = { capabilities = { add = [\"SYS_ADMIN\"] } }", "helper_container_security_context.capabilities",
            "use cap_add and cap_drop"
        ),
        ("cap_add = [\"X\"]", "cap_add", "use cap_add"), ("cap_drop = [\"X\"]", "cap_drop", "use cap_drop"), ("cpu_limit = \"8\"", "cpu_limit", "use cpus"),
        ("cpu_request = \"8\"", "cpu_request", "use cpus"), ("memory_limit = \"8Gi\"", "memory_limit", "use memory"),
        ("memory_limit_overwrite_max_allowed = \"8Gi\"", "memory_limit_overwrite_max_allowed", "use memory, in a pool for each size"),
        ("service_cpu_limit = \"8\"", "service_cpu_limit", "use service_cpus in [pool.docker]"), ("image = \"x\"", "image", "use image in [pool.docker]"),
        ("dns_config = { nameservers = [\"1.1.1.1\"] }", "dns_config.nameservers", "use dns in [pool.docker]"),
        ("node_tolerations = { gpu = \"\" }", "node_tolerations", "use tolerations in [pool.kubernetes]"),
        ("node_selector = { \"kubernetes.io/arch\" = \"arm64\" }", "node_selector.kubernetes.io/arch", "use architecture"),
        ("poll_timeout = 9", "poll_timeout", "use scheduling_timeout and creation_timeout"),
    ])
    func keysOfTheExecutorThatWouldBreakTheRulesAreRefused(line: String, key: String, says: String) {
        let found = errors("\(cluster)\(pool)[pool.runner.kubernetes]\n\(line)")
        #expect(found.map(\.key) == ["pool[0].runner.kubernetes.\(key)"], "\(found)")
        #expect(found.allSatisfy { $0.message.contains(says) && ($0.line ?? 0) > 6 }, "\(found)")
    }

    @Test func otherKeysOfTheExecutorArePassedOn() {
        let keys = """
            priority_class_name = "low"
            automount_service_account_token = true
            service_account = "deployer"
            helper_cpu_request = "50m"
            ephemeral_storage_limit = "10Gi"
            node_selector = { disk = "ssd" }
            pod_annotations = { team = "x" }
            dns_config = { searches = ["home"] }
            build_container_security_context = { run_as_user = 1000 }
            pod_spec = [{ name = "x", patch = "{}" }]
            volumes = { empty_dir = [{ name = "shm", mount_path = "/dev/shm", medium = "Memory" }] }
            """
        #expect(errors("\(cluster)\(pool)[pool.runner.kubernetes]\n\(keys)") == [])
    }

    /// An array is not merged: theirs would stand in place of AutoGit's.
    @Test(arguments: ["gpu = \"nvidia\"\nexecutor = \"docker\"", "[pool.kubernetes]\ntolerations = [\"*:NoExecute:60\"]"])
    func patchesOfPodsAreAutoGitsWhereItNeedsThem(lines: String) {
        let found = errors("\(cluster)\(pool)\(lines)\n[pool.runner.kubernetes]\npod_spec = [{ name = \"x\", patch = \"{}\" }]")
        #expect(found.map(\.key) == ["pool[0].runner.kubernetes.pod_spec"], "\(found)")
    }
}
