import Testing

@testable import Fleet

/// The names of volumes with caches, by which alone they are found again.
@Suite struct JobCacheTests {
    @Test(arguments: ["p", "a-b_c.D9", "project-cache", "p-0123456789abcdef"]) func aVolumeNamesItsPool(pool: String) {
        for volume in [CacheVolume(pool: pool), CacheVolume(pool: pool, project: "group/sub/project"), CacheVolume(pool: pool, project: "7")] {
            let name = volume.name(instance: "0123456789ab")
            #expect(CacheVolume.pool(ofVolume: name, instance: "0123456789ab") == pool, "\(name)")
            #expect(CacheVolume.pool(ofVolume: name, instance: "ba9876543210") == nil)
            // What Docker takes for a volume's name.
            #expect(name.wholeMatch(of: /[a-zA-Z0-9][a-zA-Z0-9_.-]*/) != nil)
        }
    }

    /// What another project left in a volume must not come to this one's jobs.
    @Test func eachProjectHasAVolumeOfItsOwn() {
        let volumes = [nil, "g/p", "g/q", "g-p", "7", "8"].flatMap { [CacheVolume(pool: "a", project: $0), CacheVolume(pool: "b", project: $0)] }
        #expect(Set(volumes.map { $0.name(instance: "i") }).count == volumes.count)
    }

    @Test(arguments: [
        "autogit-cache-i-", "autogit-cache-i", "autogit-project-cache-i-p", "autogit-project-cache-i-0123456789abcdef", "cache", "autogit-cache-j-p",
    ])
    func otherVolumesAreNone(name: String) { #expect(CacheVolume.pool(ofVolume: name, instance: "i") == nil) }

    /// Whoever's job comes, it gets no volume that was meant for one project.
    @Test func aPoolThatTakesAnyProjectsJobsHasNoProjectsVolume() {
        var pool = Pool(name: "p")
        pool.cache.scope = .project
        #expect(pool.cacheVolume == nil)
        pool.register = .project("g/p")
        #expect(pool.cacheVolume == CacheVolume(pool: "p", project: "g/p"))
    }

    @Test(arguments: [
        ("s3.amazonaws.com", true), ("s3.eu-west-1.amazonaws.com:443", true), ("s3.cn-north-1.amazonaws.com.cn", true), ("minio:9000", false),
        ("notamazonaws.com", false),
    ])
    func amazonIsTold(address: String, isAmazon: Bool) {
        var cache = S3Cache()
        cache.serverAddress = address
        #expect(cache.isAmazon == isAmazon)
    }
}
