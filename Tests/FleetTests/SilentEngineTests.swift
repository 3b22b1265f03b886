import Testing

@testable import Fleet

/// An engine that tells nothing, on a host of which something else tells.
@Suite struct SilentEngineTests {
    private static func silent(gpus: [String]) -> HostFacts {
        var facts = PlacementTests.facts(gpus: gpus.map { PlacementTests.gpu($0) }, engine: nil)
        facts.engineTrouble = "it hangs"
        facts.remarks = ["its user does not linger"]
        return facts
    }

    @Test func whatItToldBeforeStaysAndTheRemarksAreNew() {
        var known = PlacementTests.facts(gpus: [PlacementTests.gpu("0")])
        known.remarks = ["over"]
        var scene = PlacementTests.scene([PlacementTests.pool("p", .init(gpu: .nvidia))], on: known)
        scene.survey(Self.silent(gpus: []))
        let host = scene.state.hosts[.local]
        #expect(host?.facts?.engine == known.engine && host?.facts?.gpus == known.gpus && !scene.told { $0 == .gpuLost([]) })
        #expect(host?.facts?.remarks == ["its user does not linger"] && host?.trouble == "it hangs")
        #expect(scene.told { $0 == .hostRemark("its user does not linger") })
        scene.queue(1)
        #expect(scene.plan().equipment.map(\.gpus) == [["0"]])
        scene.survey(known)
        #expect(scene.state.hosts[.local]?.trouble == nil && scene.state.hosts[.local]?.facts == known)
    }

    /// Its make decides how GPUs get into containers.
    @Test func beforeItHasToldAnythingNoHardwareIsPromised() {
        var scene = PlacementTests.scene([PlacementTests.pool("p", .init(gpu: .nvidia))], on: Self.silent(gpus: ["0"]))
        scene.queue(1)
        #expect(scene.plan().launches == [] && scene.plan().reason(1) == .startingUp)
        #expect(scene.state.hosts[.local]?.facts?.remarks == ["its user does not linger"])
        scene.survey(PlacementTests.facts(gpus: [PlacementTests.gpu("0")]))
        #expect(scene.plan().launches == ["p:1"])
        var modest = PlacementTests.scene([PlacementTests.pool("p", .init())], on: Self.silent(gpus: []))
        modest.queue(1)
        #expect(modest.plan().launches == ["p:1"])
    }

    @Test func whatElseTellsOfItsHostDoesNotMakeItAnswer() {
        var scene = PlacementTests.scene([PlacementTests.pool("p", .init())], on: PlacementTests.facts())
        scene.take(.done(.look(Scene.place), .failure(Trouble("connection refused", isOutage: true))))
        scene.survey(Self.silent(gpus: []))
        scene.queue(1)
        #expect(scene.plan().launches == [] && scene.plan().reason(1) == .engineDown(Scene.place, "connection refused"))
    }
}
