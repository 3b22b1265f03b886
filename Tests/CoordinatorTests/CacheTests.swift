import ControlModel
import Testing

@testable import Coordinator
@testable import Fleet

/// What is told of caches, and how one is cleared.
@Suite(.timeLimit(.minutes(10))) struct CacheTests {
    private let time = Timestamp(milliseconds: 1_764_000_000_000)

    private func house() async throws -> House {
        var remote = House.pool("remote", ["r"])
        remote.cache = JobCache(.s3)
        remote.cache.s3.bucket = "ci-cache"
        remote.cache.s3.accessKey = Secret("id-s3cret")
        remote.cache.s3.secretKey = Secret("key-s3cret")
        let house = try await House([House.pool("p"), remote])
        house.engine.keep([
            StoredCache(name: "autogit-cache-house-p", pool: "p", size: 5 << 20, createdAt: time),
            StoredCache(name: "autogit-cache-house-old", pool: "old", size: 7),
        ])
        return house
    }

    @Test func volumesAndBucketsAreListedAlsoOfPoolsThatAreGone() async throws {
        let views = try await house().coordinator.cacheViews()
        #expect(
            views == [
                CacheView(pool: "old", kind: "volume", name: "autogit-cache-house-old", size_bytes: 7, configured: false),
                CacheView(pool: "p", kind: "volume", name: "autogit-cache-house-p", size_bytes: 5 << 20, created_at: time.iso8601, configured: true),
                CacheView(pool: "remote", kind: "s3", name: "ci-cache", configured: true),
            ])
        #expect(!"\(views)".contains("s3cret"))
    }

    @Test func clearingRemovesTheVolumeAndTellsHowMuchThatWas() async throws {
        let house = try await house()
        #expect(try await house.coordinator.clearCache(pool: "p") == ClearedCacheView(pool: "p", removed: ["autogit-cache-house-p"], freed_bytes: 5 << 20))
        #expect(try await house.coordinator.clearCache(pool: "p").removed.isEmpty, "there is none, and that is what was wanted")
        #expect(try await house.coordinator.clearCache(pool: "old").removed == ["autogit-cache-house-old"])
        #expect(try await house.coordinator.cacheViews().map(\.pool) == ["remote"])
    }

    @Test func aCacheInUseStaysAndTheWayOutIsTold() async throws {
        let house = try await house()
        house.engine.keep([
            StoredCache(name: "autogit-cache-house-p", pool: "p", users: ["autogit-runner-a"]), StoredCache(name: "autogit-project-cache-house-p-0", pool: "p"),
        ])
        let refusal = await #expect(throws: Refusal.self) { try await house.coordinator.clearCache(pool: "p") }
        #expect(refusal?.kind == .conflict)
        for word in ["autogit-runner-a", "autogitctl pause p", "try again"] { #expect(refusal?.message.contains(word) == true) }
        #expect(!house.script.lines.contains { $0.hasPrefix("removeCache") })
    }

    /// A job came between the look and the removal: the engine has the last word.
    @Test func aCacheThatIsTakenMeanwhileStays() async throws {
        let house = try await house()
        house.script.hold("removeCache")
        async let refusal = #expect(throws: Refusal.self) { try await house.coordinator.clearCache(pool: "p") }
        try await house.script.until("removeCache")
        house.engine.keep([StoredCache(name: "autogit-cache-house-p", pool: "p", users: ["job"])])
        house.script.release("removeCache")
        #expect(await refusal?.kind == .conflict)
        #expect(try await house.coordinator.cacheViews().contains { $0.pool == "p" })
    }

    @Test func whatHasNoVolumeIsRefusedWithAReason() async throws {
        let house = try await house()
        let remote = await #expect(throws: Refusal.self) { try await house.coordinator.clearCache(pool: "remote") }
        #expect(remote?.kind == .conflict && remote?.message.contains("Clear runner caches") == true)
        let unknown = await #expect(throws: Refusal.self) { try await house.coordinator.clearCache(pool: "nobody") }
        #expect(unknown?.kind == .notFound)
    }
}
