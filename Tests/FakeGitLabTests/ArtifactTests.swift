import Foundation
import HTTPTransfer
import Testing

@testable import FakeGitLab

/// Artifacts from the job that leaves them to those that fetch them, and what is refused on the way.
@Suite struct ArtifactTests {
    static let pipeline = """
        make: {stage: build, script: run, artifacts: {paths: [out]}}
        use: {stage: test, script: run}
        """

    private func job(_ rig: Rig) async throws -> JSON { try await rig.firstJob(Self.pipeline) }

    /// - Parameter fields: beside the file; nil sends no file.
    private func upload(
        _ rig: Rig, _ job: JSON, _ file: [UInt8]?, token: String? = nil, filename: String = "artifacts.zip", query: String = "",
        fields: [String: String] = [:]
    ) async throws -> HTTPResponse {
        var body = ""
        for (name, value) in fields { body += "--limit\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n" }
        var bytes = Array(body.utf8)
        if let file {
            let quoted = filename.replacing("\"", with: "\\\"")
            let head = "Content-Disposition: form-data; name=\"file\"; filename=\"\(quoted)\"\r\nContent-Type: application/octet-stream"
            bytes += Array("--limit\r\n\(head)\r\n\r\n".utf8) + file + Array("\r\n".utf8)
        }
        return try await rig.send(
            "POST", "jobs/\(job.id)/artifacts\(query)", token: token ?? job.token,
            headers: [("Content-Type", "multipart/form-data; boundary=limit")], body: bytes + Array("--limit--\r\n".utf8))
    }

    private func download(_ rig: Rig, _ id: Int64, _ token: String?) async throws -> HTTPResponse {
        try await rig.send("GET", "jobs/\(id)/artifacts", token: token)
    }

    /// All bytes there are, boundaries and line ends among them.
    static let file = (0...255).map { UInt8($0) } + Array("\r\n--limi\r\n\r\n--limit".dropLast().utf8)

    @Test func whatAJobLeavesItsDependentsGet() async throws {
        try await Rig.run { rig in
            let make = try await job(rig)
            #expect(try await download(rig, make.id, make.token).status == 404)
            let stored = try await upload(
                rig, make, Self.file, filename: "my \"out\".zip", query: "?artifact_format=zip&artifact_type=archive&expire_in=1+week")
            #expect(stored.status == 201 && stored.text == "201")
            #expect(try await download(rig, make.id, make.token).body == Self.file)
            try await rig.finish(make)

            let use = try await rig.request(try await rig.runner())
            let file: JSON = ["filename": "my \"out\".zip", "size": .int(Int64(Self.file.count))]
            #expect(use["dependencies"] == [["id": .int(make.id), "name": "make", "token": .string(use.token), "artifacts_file": file]])
            let answer = try await download(rig, make.id, use.token)
            #expect(answer.status == 200 && answer.body == Self.file && answer.header("content-type") == "application/zip")
            #expect(answer.header("content-disposition") == #"attachment; filename="my \"out\".zip"; filename*=UTF-8''my%20%22out%22.zip"#)

            let person = [(name: "PRIVATE-TOKEN", value: rig.token)]
            #expect(try await rig.send("GET", "jobs/\(make.id)/artifacts", headers: person).body == Self.file)
            let project = try #require(await rig.instance.projects.keys.first)
            #expect(try await rig.send("GET", "projects/\(project)/jobs/\(make.id)/artifacts", headers: person).body == Self.file)
            #expect(try await rig.send("GET", "projects/\(project)/jobs/\(use.id)/artifacts", headers: person).status == 404)
            let shown = try await rig.json("GET", "projects/\(project)/jobs/\(make.id)").body
            #expect(shown["artifacts_file"] == file && shown["artifacts_expire_at"]?.text != nil && shown["artifacts"]?.items.count == 1)
        }
    }

    @Test func onlyRunningJobsOfTheProjectMayFetch() async throws {
        try await Rig.run { rig in
            let make = try await job(rig)
            _ = try await upload(rig, make, Self.file)
            #expect(try await download(rig, make.id, nil).status == 401)
            #expect(try await download(rig, make.id, "wrong").status == 401)
            #expect(try await rig.send("GET", "jobs/\(make.id)/artifacts", headers: [("PRIVATE-TOKEN", "wrong")]).status == 401)
            #expect(try await download(rig, 4711, make.token).status == 403)
            await rig.instance.add(AccessToken(secret: "stranger", scopes: ["read_api"], isAdmin: false))
            #expect(try await rig.send("GET", "jobs/\(make.id)/artifacts", headers: [("PRIVATE-TOKEN", "stranger")]).status == 403)
            let other = try await rig.instance.addProject(path: "root/other", pipelineFile: "b: {script: run, tags: [b]}", withRepository: false)
            try await rig.instance.createPipeline(project: other.id)
            let foreign = try await rig.request(try await rig.runner(tags: ["b"]))
            #expect(try await download(rig, make.id, foreign.token).status == 403)
            try await rig.finish(make)
            #expect(try await download(rig, make.id, make.token).status == 401)
        }
    }

    @Test func aFaultyUploadIsRefusedAndNothingIsKept() async throws {
        try await Rig.run { rig in
            let make = try await job(rig)
            #expect(try await upload(rig, make, Self.file, token: "wrong").status == 403)
            #expect(try await upload(rig, make, nil).status == 400)
            #expect(try await upload(rig, make, nil).text == #"{"error":"file is missing"}"#)
            #expect(try await rig.send("POST", "jobs/\(make.id)/artifacts", token: make.token, body: Self.file).status == 400)
            #expect(try await upload(rig, make, Self.file, query: "?artifact_type=nonsense").status == 400)
            #expect(try await upload(rig, make, Self.file, query: "?artifact_format=gzip").status == 400)
            #expect(try await upload(rig, make, Self.file, fields: ["artifact_format": "raw"]).status == 400)
            #expect(try await upload(rig, make, Self.file, query: "?expire_in=soon").status == 400)
            #expect(await rig.instance.jobs[make.id]?.artifacts.isEmpty == true)
            await rig.instance.setTakesArtifacts(false)
            #expect(try await upload(rig, make, Self.file).status == 405)
            await rig.instance.setTakesArtifacts(true)
            try await rig.finish(make)
            let late = try await upload(rig, make, Self.file)
            #expect(late.status == 403 && late.header("job-status") == "success")
            #expect(await rig.instance.jobs[make.id]?.artifacts.isEmpty == true)
        }
    }

    @Test func whatIsTooLargeIsRefusedWithItsSizeUnread() async throws {
        try await Rig.run { rig in
            let make = try await job(rig)
            await rig.instance.setMaximumArtifactSize(1000)
            let barely = [UInt8](repeating: 7, count: 1000)
            #expect(try await upload(rig, make, barely + [7]).status == 413)
            // Larger than the form may be around it, and than what is buffered on the way.
            let huge = try await upload(rig, make, [UInt8](repeating: 7, count: 3 << 20))
            #expect(huge.status == 413 && huge.text == #"{"message":"file size has reached maximum size limit"}"#)
            #expect(try await upload(rig, make, [UInt8](repeating: 7, count: 3 << 20), token: "wrong").status == 403)
            #expect(try await upload(rig, make, barely).status == 201)
        }
    }

    @Test func theSameAgainIsNoErrorAndAnotherIs() async throws {
        try await Rig.run { rig in
            let make = try await job(rig)
            #expect(try await upload(rig, make, Self.file, fields: ["artifact_type": "archive", "artifact_format": "zip"]).status == 201)
            #expect(try await upload(rig, make, Self.file).status == 201)
            let another = try await upload(rig, make, [1])
            #expect(another.status == 400 && another.text == #"{"message":"another artifact of the same type already exists"}"#)
            #expect(try await upload(rig, make, [2], filename: "junit.xml.gz", query: "?artifact_type=junit&artifact_format=gzip").status == 201)
            #expect(try await download(rig, make.id, make.token).body == Self.file)
        }
    }

    @Test func leaveToUploadIsGivenAndRefused() async throws {
        try await Rig.run { rig in
            let make = try await job(rig)
            func ask(_ query: String = "", token: String?) async throws -> HTTPResponse {
                try await rig.send("POST", "jobs/\(make.id)/artifacts/authorize\(query)", token: token)
            }
            await rig.instance.setMaximumArtifactSize(1000)
            let leave = try await ask(token: make.token)
            let body = try JSONDecoder().decode(JSON.self, from: Data(leave.body))
            #expect(leave.status == 200 && body["MaximumSize"] == 1000 && body["TempPath"]?.text != nil)
            #expect(try await ask("?filesize=1001", token: make.token).status == 413)
            #expect(try await ask(token: "wrong").status == 403)
            #expect(try await ask(token: nil).status == 403)
            await rig.instance.setTakesArtifacts(false)
            #expect(try await ask(token: make.token).status == 405)
        }
    }

    @Test func expiredArtifactsAreGone() async throws {
        try await Rig.run { rig in
            let make = try await job(rig)
            #expect(try await upload(rig, make, Self.file, query: "?expire_in=2+hours").status == 201)
            let kept = try #require(await rig.instance.jobs[make.id])
            #expect(kept.archive(at: Date() + 7000) != nil && kept.archive(at: Date() + 7300) == nil)
            #expect(try await upload(rig, make, Self.file, filename: "a", query: "?artifact_type=metadata&artifact_format=gzip&expire_in=0").status == 201)
            await rig.instance.expire(make.id)
            #expect(try await download(rig, make.id, make.token).status == 404)
            try await rig.finish(make)
            let use = try await rig.request(try await rig.runner())
            #expect(use["dependencies"] == [["id": .int(make.id), "name": "make", "token": .string(use.token)]])
        }
    }
}

extension Instance {
    /// Its archive's time has come.
    fileprivate func expire(_ id: Int64) { jobs[id]?.artifacts["archive"]?.expiresAt = Date() }
}
