import Testing

@testable import Fleet

/// A disk that fills up: what goes, in which order, and what waits meanwhile.
@Suite struct DiskTests {
    private static let reserve: Int64 = 2 << 30
    private let place = Scene.place

    private func scene(_ pools: [Pool] = [Scene.pool()], prune: ImagePrune = .ours) -> Scene {
        var scene = Scene(pools)
        scene.take(.configured(.init(pools: pools, pollInterval: .seconds(30), diskReserve: Self.reserve, prune: prune)))
        scene.state.forges[.default]?.pollAt = scene.now + .seconds(86_400)
        return scene
    }

    private func done(_ scene: inout Scene, _ action: Action, _ answer: Answer) {
        scene.take(.decided(action))
        scene.pass(.milliseconds(1))
        scene.take(.done(action, .success(answer)))
        scene.pass(.milliseconds(1))
    }

    private func measure(_ scene: inout Scene, free: Int64) {
        scene.state.places[place]?.disk.measureAt = nil
        #expect(disk(scene) == [.measure(place)])
        done(&scene, .measure(place), .disk(DiskSpace(free: free, total: 100 << 30)))
    }

    private func disk(_ scene: Scene) -> [Action] { scene.plan().actions.filter { $0.key == .disk(place) } }

    private func image(_ id: String, _ names: String..., used: Bool = false) -> EngineImage {
        EngineImage(id: id, names: names, bytes: 100 << 20, isUsed: used)
    }

    /// Uses one after the other, an hour apart.
    private func use(_ scene: inout Scene, _ images: String...) {
        for image in images {
            scene.take(.heard(place, .imageUsed(image)))
            scene.pass(.seconds(3600))
        }
    }

    @Test func withRoomNothingHappens() {
        var scene = scene()
        measure(&scene, free: Self.reserve)
        scene.queue(1)
        #expect(disk(scene) == [] && scene.plan().launches == ["p:1"])
        // And again after a minute.
        scene.pass(Beat.look)
        #expect(disk(scene) == [.measure(place)])
    }

    @Test func withoutAReserveNobodyLooks() {
        var scene = Scene()
        scene.state.places[place]?.disk.measureAt = nil
        #expect(disk(scene) == [])
    }

    /// Where the engine's storage can't be seen from here, its room is unknown, and nothing is held up by that.
    @Test func anUnknownDiskHoldsUpNothing() {
        var scene = scene()
        scene.state.places[place]?.disk.measureAt = nil
        done(&scene, .measure(place), .disk(nil))
        scene.queue(1)
        #expect(scene.plan().launches == ["p:1"] && disk(scene) == [])
    }

    @Test func theLongestUnusedImageOfOursGoesFirstAndJobsWaitWithTheReason() {
        var scene = scene()
        use(&scene, "old:1", "sha256:b", "new:1")
        measure(&scene, free: 1 << 30)
        #expect(scene.told { if case .diskShort = $0 { true } else { false } })
        scene.queue(1)
        #expect(scene.plan().launches == [] && scene.plan().reason(1) == .diskReserve(free: 1 << 30, reserve: Self.reserve))
        #expect(disk(scene) == [.listImages(place)])
        let (old, byID, new) = (image("sha256:a", "old:1"), image("sha256:b"), image("sha256:c", "new:1"))
        done(&scene, .listImages(place), .images([new, byID, image("sha256:d", "theirs:1"), old]))
        #expect(disk(scene) == [.removeImage(place, old)])
        done(&scene, .removeImage(place, old), .done)
        #expect(scene.told { $0 == .imageRemoved(bytes: 100 << 20) })
        #expect(scene.changes.contains { if case .imageGone(_, "docker.io/library/old:1") = $0 { true } else { false } })
        // One at a time, each after a look at what it gave.
        measure(&scene, free: 1 << 30)
        #expect(disk(scene) == [.removeImage(place, byID)])
        done(&scene, .removeImage(place, byID), .done)
        measure(&scene, free: Self.reserve)
        #expect(scene.told { $0 == .diskRoomy } && disk(scene) == [] && scene.plan().launches == ["p:1"])
    }

    /// Docker lists the short name of what a pool and a job call by its whole name, and gitlab-runner by its id.
    @Test(arguments: [("docker.io/library/debian:12", "debian:12"), ("debian:12", "docker.io/library/debian:12"), ("gitlab/x", "docker.io/gitlab/x:latest")])
    func anImageIsKnownByAnyOfItsNames(named: String, listed: String) {
        let id = "sha256:" + String(repeating: "a1", count: 32)
        for use in [named, id, String(id.dropFirst(7))] {
            var scene = scene()
            self.use(&scene, use)
            measure(&scene, free: 0)
            done(&scene, .listImages(place), .images([image(id, listed)]))
            #expect(disk(scene) == [.removeImage(place, image(id, listed))], "\(use)")
        }
        var pool = Scene.pool()
        pool.image = named
        var scene = scene([pool])
        use(&scene, id)
        measure(&scene, free: 0)
        done(&scene, .listImages(place), .images([image(id, listed)]))
        #expect(disk(scene) == [])
    }

    /// Of others, in use, named by a pool, or refused by the engine.
    @Test func whatIsNotOursOrStillWantedStays() {
        var pool = Scene.pool()
        (pool.image, pool.configuredExecutor) = ("runner", .docker)
        pool.docker.image = "jobs:1"
        var scene = scene([pool])
        use(&scene, "runner", "runner:latest", "jobs:1", "busy:1", "stubborn:1")
        measure(&scene, free: 1 << 30)
        let images = [
            image("sha256:a", "runner:latest"), image("sha256:b", "jobs:1"), image("sha256:c", "busy:1", used: true), image("sha256:d", "theirs:1"),
            image("sha256:e"), image("sha256:f", "stubborn:1"),
        ]
        done(&scene, .listImages(place), .images(images))
        #expect(disk(scene) == [.removeImage(place, images[5])])
        scene.take(.decided(.removeImage(place, images[5])))
        scene.take(.done(.removeImage(place, images[5]), .failure(Trouble("it has children", isOutage: false))))
        measure(&scene, free: 1 << 30)
        // Others may have left something meanwhile; what was refused stays refused.
        #expect(disk(scene) == [.listImages(place)])
        done(&scene, .listImages(place), .images(images))
        #expect(disk(scene) == [])
        scene.pass(Beat.look)
        #expect(disk(scene) == [.measure(place)])
        #expect(scene.events.count { if case .diskShort = $0.kind { true } else { false } } == 1)
    }

    @Test func whatNobodyUsesOfOthersGoesOnlyWhenAskedForAndOnce() {
        var scene = scene(prune: .all)
        measure(&scene, free: 0)
        done(&scene, .listImages(place), .images([]))
        #expect(disk(scene) == [.sweepStorage(place)])
        done(&scene, .sweepStorage(place), .done)
        measure(&scene, free: 0)
        done(&scene, .listImages(place), .images([]))
        #expect(disk(scene) == [])
        measure(&scene, free: Self.reserve)
        measure(&scene, free: 0)
        done(&scene, .listImages(place), .images([]))
        #expect(disk(scene) == [.sweepStorage(place)])
    }

    @Test func withPruneNoneRunnersJustWait() {
        var scene = scene(prune: .nothing)
        use(&scene, "old:1")
        measure(&scene, free: 0)
        scene.queue(1)
        #expect(disk(scene) == [] && scene.plan().launches == [])
    }

    /// Not each of ten thousand jobs is written, and the next life knows what was.
    @Test func usesAreKeptAnHourApart() throws {
        var scene = scene()
        scene.changes = []
        func written() -> [ImageUse] { scene.changes.compactMap { if case .image(let use) = $0 { use } else { nil } } }
        for _ in 0..<59 {
            scene.take(.heard(place, .imageUsed("i:1")))
            scene.pass(.seconds(60))
        }
        #expect(written().count == 1)
        scene.pass(.seconds(60))
        scene.take(.heard(place, .imageUsed("i:1")))
        #expect(written().count == 2)
        let memory = Memory(instance: "i", jobs: [], runners: [], finishedJobs: [], pausedPools: [], images: [try #require(written().last)])
        scene = self.scene()
        scene.take(.remembered(memory))
        measure(&scene, free: 0)
        done(&scene, .listImages(place), .images([image("sha256:a", "i:1")]))
        #expect(disk(scene) == [.removeImage(place, image("sha256:a", "i:1"))])
    }

    // MARK: disk_max

    @Test func aRunnerWhoseContainerHasGrownIsReplacedAfterItsJob() {
        var pool = Scene.pool()
        pool.diskMax = 1 << 30
        var scene = Scene([pool])
        scene.add("one")
        func weighs() -> Bool { scene.plan().actions.contains(.weigh("one", place)) }
        #expect(!weighs(), "it has had no job")
        scene.state.runners["one"]?.jobsDone = 1
        #expect(weighs())
        done(&scene, .weigh("one", place), .written(1 << 30))
        #expect(!weighs() && scene.phase("one") == .ready)
        scene.state.runners["one"]?.jobsDone = 2
        done(&scene, .weigh("one", place), .written(nil))
        #expect(!weighs() && scene.phase("one") == .ready)
        scene.state.runners["one"]?.jobsDone = 3
        done(&scene, .weigh("one", place), .written(1 << 31))
        #expect(scene.phase("one") == .pausing)
    }
}
