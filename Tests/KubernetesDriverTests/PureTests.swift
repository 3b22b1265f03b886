import Fleet
import Foundation
import RunnerConfiguration
import Testing

@testable import KubernetesDriver

/// Values and functions without a cluster.
@Suite struct PureTests {
    private func json(_ text: String) throws -> JSONValue { try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) }

    /// The examples of RFC 7386, appendix A, as far as they are objects.
    @Test(arguments: [
        (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#), (#"{"a":"b"}"#, #"{"a":null}"#, "{}"),
        (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#), (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
        (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#), (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
        (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#), (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#),
        ("{}", #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
        // And Kubernetes' lists that are maps.
        (
            #"{"volumes":[{"name":"a","emptyDir":{}}]}"#, #"{"volumes":[{"name":"b","emptyDir":{}},{"name":"a","emptyDir":{"medium":"Memory"}}]}"#,
            #"{"volumes":[{"name":"a","emptyDir":{"medium":"Memory"}},{"name":"b","emptyDir":{}}]}"#
        ),
        (
            #"{"containers":[{"name":"runner","lifecycle":{"preStop":{}},"image":"i"}]}"#, #"{"containers":[{"name":"runner","lifecycle":null}]}"#,
            #"{"containers":[{"name":"runner","image":"i"}]}"#
        ),
        (#"{"tolerations":[{"key":"a"}]}"#, #"{"tolerations":[{"key":"b"}]}"#, #"{"tolerations":[{"key":"b"}]}"#),
    ])
    func aPatchIsMerged(original: String, patch: String, result: String) throws {
        #expect(try json(original).merged(with: json(patch)) == json(result))
    }

    @Test func numbersKeepTheirKind() throws {
        let value = try json(#"{"a":1,"b":1.5,"c":true,"d":9007199254740993,"e":"1"}"#)
        #expect(value["a"] == .integer(1) && value["b"] == .number(1.5) && value["c"] == .bool(true) && value["d"] == .integer(9_007_199_254_740_993))
        let again = try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(value))
        #expect(again == value)
    }

    @Test(
        arguments: [
            ("2", 2), ("3920m", 3.92), ("16Gi", 17_179_869_184), ("32873404Ki", 33_662_365_696), ("1e3", 1000), ("129M", 129e6), ("1.5", 1.5), ("1E", 1e18),
            ("100n", 1e-7),
            ("", nil), ("Gi", nil), ("-1", nil), ("inf", nil), ("x", nil),
        ] as [(String, Double?)])
    func amountsAreRead(text: String, value: Double?) throws {
        guard let value else { return #expect(Quantity.value(text) == nil) }
        #expect(abs(try #require(Quantity.value(text)) - value) <= value * 1e-9)
    }

    @Test func cpusAreWrittenInThousandths() {
        #expect(Quantity.text(2) == "2000m" && Quantity.text(0.1) == "100m" && Quantity.text(0.0001) == "1m" && Quantity.text(1.0005) == "1001m")
    }

    private func pod(
        _ status: String, labels: [String: String] = [KubeLabels.instance: "i", KubeLabels.runner: "r"], isLeaving: Bool = false
    ) throws -> KubePod {
        let labels = try String(decoding: JSONEncoder().encode(labels), as: UTF8.self)
        let deleted = isLeaving ? #","deletionTimestamp":"2026-12-01T10:00:00Z""# : ""
        return try JSONDecoder().decode(
            KubePod.self, from: Data(#"{"metadata":{"name":"p","uid":"u-\#(labels.count)","labels":\#(labels)\#(deleted)},"status":\#(status)}"#.utf8))
    }

    private func job(_ status: String, suspend: Bool = false) throws -> KubeJob {
        try JSONDecoder().decode(
            KubeJob.self,
            from: Data(
                #"{"metadata":{"name":"j","uid":"J","labels":{"autogit.instance":"i","autogit.runner":"r"}},"spec":{"suspend":\#(suspend)},"status":\#(status)}"#
                    .utf8))
    }

    private static let running =
        #"{"phase":"Running","containerStatuses":[{"name":"side","state":{"terminated":{"exitCode":9}}},{"name":"runner","state":{"running":{}}}]}"#
    private static let failed =
        #"{"conditions":[{"type":"Failed","status":"True","reason":"PodFailurePolicy","message":"Container runner for pod ci/p failed with exit code 42 matching FailJob rule at index 0"}]}"#

    @Test func aLookTellsEachRunnerOnce() throws {
        func look(_ jobs: [KubeJob], _ pods: [KubePod]) -> [DriverObject] { PodState.objects(jobs: jobs, pods: pods, instance: "i") }
        func object(_ id: String, running: Bool, started: Bool, code: Int? = nil) -> DriverObject {
            DriverObject(id: id, runner: "r", running: running, started: started, exitCode: code)
        }
        let jobsPod = try pod(Self.running, labels: [RunnerConfiguration.instanceLabel: "i", RunnerConfiguration.runnerLabel: "r"])
        let lost = try pod(#"{"phase":"Failed","reason":"Evicted","message":"The node was low on resource: memory."}"#)
        #expect(try look([job("{}", suspend: true)], []) == [object("J", running: true, started: false)])
        #expect(try look([job("{}")], []) == [object("J", running: true, started: true)])
        #expect(try look([job("{}")], [pod(Self.running), jobsPod]) == [object("J", running: true, started: true)])
        // A pod that ended before its Job took note, one that was evicted, one that is on its way out while the Job is over.
        let ended = #"{"phase":"Running","containerStatuses":[{"name":"runner","state":{"terminated":{"exitCode":3}}}]}"#
        #expect(try look([job("{}")], [pod(ended)]) == [object("J", running: false, started: false, code: 3)])
        #expect(try look([job("{}")], [lost]) == [object("J", running: false, started: false)])
        #expect(try look([job(Self.failed)], [pod(Self.running)]) == [object("J", running: true, started: true)])
        // The pod is gone: only the Job's words are left.
        #expect(try look([job(Self.failed)], []) == [object("J", running: false, started: false, code: 42)])
        #expect(try look([job(#"{"conditions":[{"type":"Complete","status":"True"}]}"#)], []) == [object("J", running: false, started: false, code: 0)])
        #expect(
            try look([job(#"{"conditions":[{"type":"Failed","status":"True","reason":"DeadlineExceeded","message":"was active too long"}]}"#)], [])
                == [object("J", running: false, started: false)])
        // Somebody removed the Job.
        let uid = try pod(Self.running).metadata.uid
        #expect(try look([], [pod(Self.running)]) == [object(uid, running: true, started: true)])
        #expect(try look([], [pod(ended), jobsPod]) == [object(uid, running: false, started: false, code: 3)])
        #expect(look([], [jobsPod]) == [object(jobsPod.metadata.uid, running: false, started: false)])
        #expect(try look([], [pod(Self.running, labels: [KubeLabels.instance: "other", KubeLabels.runner: "r"])]).isEmpty)
    }

    /// On a node that is lost it is shown as running for as long as the node is away, and is no runner to count on.
    @Test func aRunnerWhosePodTheClusterEndsIsNamedAsSuch() throws {
        func retirement(_ jobs: [KubeJob], _ pods: [KubePod]) -> DriverObject.Retirement? {
            PodState.objects(jobs: jobs, pods: pods, instance: "i").first?.retirement
        }
        let ended = #"{"phase":"Failed","containerStatuses":[{"name":"runner","state":{"terminated":{"exitCode":3}}}]}"#
        #expect(try retirement([job("{}")], [pod(Self.running, isLeaving: true)]) == .evicted)
        #expect(try retirement([], [pod(Self.running, isLeaving: true)]) == .evicted)
        #expect(try retirement([job("{}")], [pod(Self.running)]) == nil)
        #expect(try retirement([], [pod(Self.running)]) == nil)
        #expect(try retirement([job("{}")], [pod(ended, isLeaving: true)]) == nil)
        #expect(try retirement([job("{}")], []) == nil)
    }

    /// Its node was lost before the container ran: nothing will come of it, however long the image may take.
    @Test func aPodThatIsRemovedBeforeItRunsHasFailed() throws {
        var progress = StartProgress(KubernetesPool(), at: Timestamp(milliseconds: 0))
        let made = #"{"phase":"Pending","containerStatuses":[{"name":"runner","state":{"waiting":{"reason":"ContainerCreating"}}}]}"#
        #expect(try progress.look(job("{}"), pod(made), at: Timestamp(milliseconds: 0)) == .waits)
        #expect(try progress.look(job("{}"), pod(made, isLeaving: true), at: Timestamp(milliseconds: 0)).isFailure)
        #expect(try progress.look(job("{}"), pod(Self.running, isLeaving: true), at: Timestamp(milliseconds: 0)) == .runs)
    }

    @Test func anObstacleThatChangesBeginsAgainAndOneThatGoesIsForgotten() throws {
        let begin = Timestamp(milliseconds: 0)
        var progress = StartProgress(KubernetesPool(), at: begin)
        let unplaced = try pod(#"{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"no room"}]}"#)
        let refused = try pod(#"{"phase":"Pending","containerStatuses":[{"name":"runner","state":{"waiting":{"reason":"ErrImagePull","message":"denied"}}}]}"#)
        let backingOff = try pod(
            #"{"phase":"Pending","containerStatuses":[{"name":"runner","state":{"waiting":{"reason":"ImagePullBackOff","message":"denied"}}}]}"#)
        #expect(try progress.look(job("{}"), unplaced, at: begin + .seconds(1)) == .waits)
        #expect(try progress.look(job("{}"), unplaced, at: begin + .seconds(300)) == .waits)
        #expect(try progress.look(job("{}"), refused, at: begin + .seconds(301)) == .waits)
        #expect(try progress.look(job("{}"), backingOff, at: begin + .seconds(360)) == .waits)
        #expect(try progress.look(job("{}"), refused, at: begin + .seconds(361)) == .failed("ErrImagePull: denied"))
        #expect(try progress.look(job("{}"), pod(Self.running), at: begin + .seconds(400)) == .runs)
        #expect(try progress.look(job(Self.failed), nil, at: begin).isFailure && progress.look(nil, nil, at: begin).isFailure)
        #expect(
            try progress.look(job("{}"), pod(#"{"phase":"Failed","reason":"Evicted","message":"low on memory"}"#), at: begin)
                == .failed("Evicted: low on memory"))
    }

    @Test func aPoolsSettingsThatMeanNothingThereAreNamed() {
        #expect(Pool(name: "p").obstaclesInCluster.isEmpty)
        var pool = Pool(name: "p")
        pool.network = "host"
        (pool.hardware.gpu, pool.hardware.gpus) = (.nvidia, .all)
        pool.hardware.emulation = .only
        pool.stopSignal = "TERM; rm -rf /"
        (pool.docker.volumes, pool.docker.devices, pool.docker.shmSize, pool.docker.networkMode) = (["/x"], ["/dev/x"], 1, "host")
        let words = pool.obstaclesInCluster
        #expect(words.count == 8, "\(words)")
    }

    @Test func aPoolsSettingsAreEqualOrNot() {
        var pool = Pool(name: "p")
        let before = pool
        pool.kubernetes.tolerations = [.init(key: "gpu", effect: "NoSchedule")]
        #expect(pool != before && pool.docker == before.docker)
    }
}

extension StartProgress.Verdict {
    fileprivate var isFailure: Bool { if case .failed = self { true } else { false } }
}
