import Fleet

extension SettingsSchema {
    private static let noPath = #"^[^/\s]+$"#

    /// The keys of `[pool.cache]` for `kind = "s3"` only.
    public static let s3: [SettingKey<Pool>] = [
        .string("server_address", \.cache.s3.serverAddress, pattern: noPath, "the S3 server as HOST:PORT, as runners reach it") {
            $0.isEmpty || $0.contains("/") || $0.contains(where: \.isWhitespace) ? "\"\($0)\" is not HOST or HOST:PORT, for example s3.home:9000" : nil
        },
        .string("bucket", \.cache.s3.bucket, example: .string("ci-cache"), pattern: noPath, "the bucket, which must be there") {
            $0.isEmpty || $0.contains("/") || $0.contains(where: \.isWhitespace) ? "\"\($0)\" is not the name of a bucket, for example ci-cache" : nil
        },
        .string("location", \.cache.s3.location, example: .string("us-east-1"), pattern: ".", "the bucket's region") { $0.isEmpty ? "must not be empty" : nil },
        .secret("access_key_file", \.cache.s3.accessKey, example: "/srv/autogit/s3-access-key", "a file with the access key; absent: the machine's IAM role"),
        .secret("secret_key_file", \.cache.s3.secretKey, example: "/srv/autogit/s3-secret-key", "a file with the secret key"),
        .flag("insecure", \.cache.s3.insecure, "whether the server is reached by HTTP"),
        .string("path", \.cache.s3.path, example: .string("autogit"), "the folder in the bucket"),
        .size("max_archive_size", \.cache.s3.maxArchiveSize, example: 5 << 30, "the largest archive that is stored; absent: any"),
    ]

    /// Its keys that AutoGit sets with `kind = "s3"`. Other kinds leave them for servers that there are no settings for.
    static let runnerKeysOfS3 = [
        "cache.Type": "kind in [pool.cache]", "cache.Path": "path in [pool.cache]", "cache.MaxUploadedArchiveSize": "max_archive_size in [pool.cache]",
    ]
}

/// Rules about where jobs keep their caches.
extension SettingsReader {
    mutating func checkCache(_ pool: Pool, _ section: Section) {
        let cache = section.nested("cache")
        if pool.cache.kind == .s3 {
            checkBucket(cache)
        } else {
            for key in SettingsSchema.s3 where cache.table?[key.name] != nil {
                fail(cache, key.name, "has no effect with kind = \"\(pool.cache.kind.rawValue)\": remove it, or set kind = \"s3\"")
            }
        }
        if pool.cache.scope == .project, let why = Self.whyNotSeparate(pool) { fail(cache, "scope", "\"project\" \(why)") }
    }

    private mutating func checkBucket(_ cache: Section) {
        func has(_ key: String) -> Bool { cache.table?[key] != nil }
        if !has("bucket") { fail(cache, "bucket", "is required with kind = \"s3\": the name of a bucket that is there, for example ci-cache") }
        for (key, other) in [("access_key_file", "secret_key_file"), ("secret_key_file", "access_key_file")] where has(other) && !has(key) {
            fail(cache, key, "is required with \(other): name both, or neither for the role that the machine has from AWS (IAM)")
        }
    }

    /// Why a pool can't keep one project's jobs from another's cache, and the way out; nil when it can. AutoGit doesn't know whose job a runner
    /// will get, so the volume would have to be chosen by gitlab-runner; but of a volume in `volumes` it expands variables in the destination
    /// only (gitlab-runner!5396, executors/docker/internal/volumes/parser/base_parser.go), and what it mounts for its helper it mounts into the
    /// job, too. With S3 the helper gets a signed URL for one object, which gitlab-runner names by the project's number (cache/cache.go).
    private static func whyNotSeparate(_ pool: Pool) -> String? {
        switch pool.cache.kind {
        case .none: return "has no effect with kind = \"none\", which keeps no cache: remove it"
        case .volume:
            guard case .project = pool.register else {
                return "is not possible in a volume whose pool takes jobs of several projects, because gitlab-runner mounts it into every job: "
                    + "set kind = \"s3\", or register = \"project:PATH\" and a pool for each project"
            }
            return pool.cacheVolume == nil ? "is not in AutoGit's hands, because something else is at /cache, or the pool has no containers: remove it" : nil
        case .s3:
            if pool.executor == .shell {
                return "is not possible with executor = \"shell\", whose jobs can read their runner's keys for the whole bucket: set executor = \"docker\""
            }
            if pool.docker.privileged || pool.docker.allowEngineSocket {
                return "is not possible with privileged = true or allow_engine_socket = true, because such jobs can read their runner's keys for the whole "
                    + "bucket: remove one of the two"
            }
            return pool.cache.s3.accessKey == nil
                ? "needs access_key_file and secret_key_file: a role of the machine (IAM) is as much its jobs' as their runner's" : nil
        }
    }
}
