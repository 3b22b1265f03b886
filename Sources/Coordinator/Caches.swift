import ControlModel
import Fleet

/// Caches of pools. They are no part of the fleet's state: nothing is decided by them, and the engine alone knows them.
extension Coordinator {
    /// Every volume with a cache, also of pools that are no longer configured, and the buckets of those that are.
    /// - Throws: the error of a driver.
    public func cacheViews() async throws -> [CacheView] {
        let stored = try await storedCaches().map(\.cache)
        let pools = state.pools.map(\.pool)
        let wanted = Set(pools.compactMap { $0.cacheVolume?.name(instance: state.instance) })
        let volumes = stored.map {
            CacheView(
                pool: $0.pool, kind: JobCache.Kind.volume.rawValue, name: $0.name, project: $0.project, size_bytes: $0.size, created_at: $0.createdAt?.iso8601,
                used_by: $0.users, configured: wanted.contains($0.name))
        }
        let buckets = pools.filter { $0.cache.kind == .s3 }.map {
            CacheView(pool: $0.name, kind: JobCache.Kind.s3.rawValue, name: $0.cache.s3.bucket ?? "", configured: true)
        }
        return (volumes + buckets).sorted { ($0.pool, $0.kind, $0.name) < ($1.pool, $1.kind, $1.name) }
    }

    /// Removes the volumes with a pool's cache; the next runner gets a new one. A pool need not be configured to have some.
    /// - Throws: `Refusal`: a `conflict` while a container has one, and then nothing is removed unless it came to have it just now. The error of a
    ///   driver.
    public func clearCache(pool name: String) async throws -> ClearedCacheView {
        let found = try await storedCaches().filter { $0.cache.pool == name }
        let pool = state.pools.first { $0.pool.name == name }?.pool
        if found.isEmpty {
            guard let pool else {
                throw Refusal(kind: .notFound, message: "there is no pool and no cache \(name); see: autogitctl cache")
            }
            if pool.cache.kind == .s3 {
                throw Refusal(
                    kind: .conflict,
                    message:
                        "the cache of pool \(name) is in S3 and stays there: use \"Clear runner caches\" in the project's pipelines, or a rule of the bucket "
                        + "that ends the life of old objects")
            }
        }
        let users = found.flatMap(\.cache.users)
        guard users.isEmpty else { throw inUse(name, users) }
        for (cache, driver) in found {
            guard try await driver.removeCache(cache.name) else { throw inUse(name, []) }
        }
        let sizes = found.map(\.cache.size)
        return ClearedCacheView(pool: name, removed: found.map(\.cache.name), freed_bytes: sizes.contains(nil) ? nil : sizes.compactMap { $0 }.reduce(0, +))
    }

    private func inUse(_ pool: String, _ users: [String]) -> Refusal {
        Refusal(
            kind: .conflict,
            message: "the cache of pool \(pool) is in use\(users.isEmpty ? "" : " by \(users.joined(separator: ", "))") and was not cleared: run autogitctl "
                + "pause \(pool), wait until autogitctl runners lists none of it, and try again")
    }

    private func storedCaches() async throws -> [(cache: StoredCache, driver: any RunnerDriver)] {
        let places = state.placesInUse
        // One host that is away doesn't hide the caches of the others. Where none answers, its driver says why.
        let answering = places.filter { state.awaySince($0) == nil }
        var found: [(cache: StoredCache, driver: any RunnerDriver)] = []
        for place in answering.isEmpty ? places : answering {
            guard let driver = hands.drivers[place] else { continue }
            found += try await driver.caches().map { ($0, driver) }
        }
        return found
    }
}
