import Fleet
import Foundation
import TOMLKit
import Testing

@testable import RunnerConfiguration

@Suite struct JobPodsTests {
    private func section(_ change: (inout Pool) -> Void, _ pods: JobPods? = JobPods(namespace: "ci", nodeSelector: ["kubernetes.io/os": "linux"])) throws
        -> TOMLTable
    {
        var pool = Pool(name: "p")
        change(&pool)
        let spec = RunnerSpec(runner: "abcd2345", instance: "i", pool: pool)
        let credentials = RunnerCredentials(RunnerAccess(url: "https://h"), token: Secret("glrt-x"))
        let text = RunnerConfiguration(spec, credentials, RunnerSurroundings(pods: pods)).text
        return try #require(TOMLTable(string: text)["runners"]?.array?[0].table)
    }

    @Test func jobsInContainersBecomeJobsInPods() throws {
        let section = try section {
            $0.cpus = 1.5
            $0.memory = 1 << 30
            $0.docker.pullPolicy = ["always", "if-not-present"]
            $0.docker.extraHosts = ["git.example:fd00::1"]
            $0.docker.dns = ["10.0.0.53"]
            $0.kubernetes.tolerations = [.init(key: "gpu", effect: "NoSchedule"), .init(key: "a", exists: false, value: "b"), .init(key: nil)]
        }
        #expect(section["executor"]?.string == "kubernetes" && section["docker"] == nil)
        let table = try #require(section["kubernetes"]?.table)
        #expect(table["namespace"]?.string == "ci" && table["cpu_limit"]?.string == "1.5" && table["memory_request"]?.string == "1073741824")
        #expect(table["pull_policy"]?.array?.count == 2 && table["node_selector"]?.table?["kubernetes.io/os"]?.string == "linux")
        #expect(table["host_aliases"]?.array?[0].table?["ip"]?.string == "fd00::1")
        #expect(table["host_aliases"]?.array?[0].table?["hostnames"]?.array?[0].string == "git.example")
        #expect(table["dns_config"]?.table?["nameservers"]?.array?[0].string == "10.0.0.53")
        let labels = try #require(table["pod_labels"]?.table)
        #expect(labels["autogit.owner"]?.string == "i" && labels["autogit.job.instance"]?.string == "i" && labels["autogit.job.runner"]?.string == "abcd2345")
        let tolerations = try #require(table["node_tolerations"]?.table)
        #expect(tolerations["gpu"]?.string == "NoSchedule" && tolerations["a=b"]?.string == "" && tolerations[""]?.string == "" && tolerations.count == 3)
        #expect(table["pod_spec"] == nil && section["feature_flags"] == nil)
        #expect(table["cap_drop"]?.array?[0].string == "ALL" && table["allow_privilege_escalation"]?.bool == false && table["privileged"]?.bool == false)
    }

    @Test func aPrivilegedPoolKeepsItsRightsAndGPUsAreAPatch() throws {
        let pods = JobPods(namespace: "ci", gpu: .init(resource: "nvidia.com/gpu", count: 2))
        let section = try section(
            {
                $0.docker.privileged = true; $0.memory = 0
            }, pods)
        let table = try #require(section["kubernetes"]?.table)
        #expect(table["cap_drop"] == nil && table["privileged"]?.bool == true && table["memory_limit"] == nil)
        #expect(table["pod_spec"]?.array?[0].table?["patch"]?.string?.contains(#""nvidia.com/gpu":"2""#) == true)
        #expect(section["feature_flags"]?.table?["FF_USE_ADVANCED_POD_SPEC_CONFIGURATION"]?.bool == true)
    }

    /// gitlab-runner's table has no place for them, so the whole list is a patch.
    @Test(
        arguments: [
            (
                [.init(key: nil, effect: "NoExecute", seconds: 60), .init(key: "a/b", exists: false, value: "c")],
                #"{"effect":"NoExecute","operator":"Exists","tolerationSeconds":60},{"key":"a/b","operator":"Equal","value":"c"}"#
            ),
            (
                [.init(key: "gpu", effect: "NoSchedule"), .init(key: "gpu", effect: "NoExecute")],
                #"{"effect":"NoSchedule","key":"gpu","operator":"Exists"},{"effect":"NoExecute","key":"gpu","operator":"Exists"}"#
            ),
        ] as [([KubernetesPool.Toleration], String)])
    func tolerationsForATimeAndOfSeveralEffectsAreKept(tolerations: [KubernetesPool.Toleration], patch: String) throws {
        let section = try section({ $0.kubernetes.tolerations = tolerations }, JobPods(namespace: "ci", gpu: .init(resource: "amd.com/gpu", count: 1)))
        let table = try #require(section["kubernetes"]?.table)
        let patches = try #require(table["pod_spec"]?.array)
        #expect(table["node_tolerations"] == nil && patches.count == 2 && patches[1].table?["name"]?.string == "autogit-gpus")
        #expect(patches[0].table?["patch"]?.string == #"{"tolerations":[\#(patch)]}"# && patches[0].table?["patch_type"]?.string == "merge")
        #expect(section["feature_flags"]?.table?["FF_USE_ADVANCED_POD_SPEC_CONFIGURATION"]?.bool == true)
    }

    @Test func thePoolsOwnSettingsComeLastAndOthersExecutorsStay() throws {
        let own = try section { $0.runnerSettings = ["kubernetes": .table(["helper_cpu_request": .string("50m"), "priority_class_name": .string("low")])] }
        #expect(own["kubernetes"]?.table?["helper_cpu_request"]?.string == "50m" && own["kubernetes"]?.table?["image"] != nil)
        let shell = try section { $0.configuredExecutor = .shell }
        #expect(shell["executor"]?.string == "shell" && shell["kubernetes"] == nil)
        let docker = try section({ _ in }, nil)
        #expect(docker["executor"]?.string == "docker" && docker["kubernetes"] == nil && docker["docker"] != nil)
    }
}
