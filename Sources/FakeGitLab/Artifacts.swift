import Foundation

/// A file that a runner left with a job.
public struct StoredArtifact: Sendable, Equatable {
    /// `archive`, or what else runners leave, such as `junit`.
    public var type: String
    /// `zip`, `gzip` or `raw`.
    public var format: String
    /// As its runner named it.
    public var filename: String
    /// The file itself; kept in memory.
    public var bytes: [UInt8]
    /// nil: kept for good. From then on it is as if there were none.
    public var expiresAt: Date?
}

extension FakeJob {
    /// The archive, if there is one that has not expired.
    public func archive(at time: Date) -> StoredArtifact? {
        artifacts["archive"].flatMap { artifact in artifact.expiresAt.map { $0 <= time } ?? false ? nil : artifact }
    }
}

/// An upload as it came.
struct ArtifactUpload: Sendable {
    var token: String?
    var type = "archive"
    var format = "zip"
    var expireIn: String?
    /// nil: the request had none.
    var file: Multipart.Part?
    /// Nothing of it was kept.
    var isTooLarge = false
}

/// What becomes of artifacts, with the answers of GitLab's `lib/api/ci/runner.rb`. There workhorse asks for leave before it takes
/// a file, so a wrong token is told before anything that is wrong with the file.
extension Instance {
    /// Of each type the format that GitLab takes; it knows many more.
    private static let formats = [
        "archive": "zip", "metadata": "gzip", "trace": "raw", "junit": "gzip", "dotenv": "gzip", "cobertura": "gzip", "jacoco": "gzip", "codequality": "raw",
        "metrics": "gzip", "terraform": "raw", "annotations": "gzip",
    ]

    /// - Returns: what workhorse is told.
    func authorizeArtifacts(_ id: Int64, token: String?, type: String?, size: Int64?) throws -> JSON {
        try checkArtifacts(id, token: token, type: type ?? "archive", isTooLarge: size.map { $0 > maximumArtifactSize } ?? false)
        return ["TempPath": .string("\(directory)/artifacts/tmp/uploads"), "MaximumSize": .int(Int64(maximumArtifactSize))]
    }

    private func checkArtifacts(_ id: Int64, token: String?, type: String, isTooLarge: Bool) throws {
        guard takesArtifacts else { throw Refused(status: 405, body: ["message": "405 Method Not Allowed"]) }
        _ = try runningJob(id, token: token)
        guard Self.formats[type] != nil else { throw Refused.bad("artifact_type does not have a valid value") }
        if isTooLarge { throw Refused(status: 413, body: ["message": "file size has reached maximum size limit"]) }
    }

    func storeArtifact(_ id: Int64, _ upload: ArtifactUpload, at time: Date) throws {
        let isTooLarge = upload.isTooLarge || (upload.file?.bytes.count ?? 0) > maximumArtifactSize
        try checkArtifacts(id, token: upload.token, type: upload.type, isTooLarge: isTooLarge)
        guard let file = upload.file else { throw Refused.bad("file is missing") }
        guard let filename = file.filename, !filename.isEmpty else { throw Refused.bad("file is invalid") }
        guard Self.formats[upload.type] == upload.format else {
            throw Refused(status: 400, body: ["message": .string("Validation failed: File format is invalid")])
        }
        var expiresAt: Date?
        if let text = upload.expireIn, !text.isEmpty {
            guard let duration = WrittenDuration(text) else { throw Refused(status: 400, body: ["message": "expire_in should be a duration"]) }
            expiresAt = duration.seconds.map { time + $0 }
        }
        if let stored = jobs[id]?.artifacts[upload.type] {
            // A runner that didn't hear the answer sends it again.
            if stored.bytes == file.bytes { return }
            throw Refused(status: 400, body: ["message": "another artifact of the same type already exists"])
        }
        jobs[id]?.artifacts[upload.type] = StoredArtifact(
            type: upload.type, format: upload.format, filename: filename, bytes: file.bytes, expiresAt: expiresAt)
        changed()
    }

    /// For a job that runs, with its token, or for a person.
    /// - Throws: 401 for a token that is no running job's and no person's, 403 for a job of another project, 404 without an archive.
    func artifacts(_ id: Int64, jobToken: String?, secret: String?) throws -> StoredArtifact {
        let wanted = jobs[id]
        if let secret {
            let token = try access(secret, anyOf: ["read_api"])
            guard let wanted, token.maySeeAll || token.projects.contains(wanted.projectID) else { throw Refused.forbidden() }
        } else {
            guard let jobToken, let asking = jobs.values.first(where: { $0.token == jobToken }), asking.status == "running" else {
                throw Refused.unauthorized()
            }
            guard let wanted, wanted.projectID == asking.projectID else { throw Refused.forbidden() }
        }
        guard let archive = wanted?.archive(at: Date()) else { throw Refused.notFound() }
        return archive
    }
}
