import Foundation
import HTTPTypes
import Hummingbird

extension Routes {
    func artifacts(_ api: RouterGroup<BasicRequestContext>) {
        let instance = instance
        api.post("jobs/{id}/artifacts/authorize") { request, context in
            let call = try await Call(request, context)
            let answer = try await instance.authorizeArtifacts(
                call.id, token: call.jobToken, type: call["artifact_type"]?.text, size: call["filesize"]?.number)
            return respond(200, answer)
        }
        api.post("jobs/{id}/artifacts") { request, context in
            let limit = await instance.maximumArtifactSize
            let (body, isWhole) = try await Self.read(request, atMost: limit)
            let call = Call(request, context, body: body)
            try await instance.storeArtifact(call.id, Self.upload(call, isWhole: isWhole), at: Date())
            return respond(201, 201)
        }
        api.get("jobs/{id}/artifacts") { request, context in
            let call = try await Call(request, context)
            return Self.download(try await instance.artifacts(call.id, jobToken: call.jobToken, secret: call.secret))
        }
        api.get("projects/{id}/jobs/{job}/artifacts") { request, context in
            let job = try await instance.visibleJob(try await Call(request, context))
            guard let archive = job.archive(at: Date()) else { throw Refused.notFound() }
            return Self.download(archive)
        }
    }

    /// Reads to the end, so that a client which sends too much hears the answer and not a closed connection.
    /// - Parameter limit: of the file; its form may have 64 KiB more.
    /// - Returns: nothing, and false, when it is larger.
    private static func read(_ request: Request, atMost limit: Int) async throws -> ([UInt8], isWhole: Bool) {
        var (body, isWhole) = ([UInt8](), true)
        for try await chunk in request.body {
            guard isWhole else { continue }
            body.append(contentsOf: chunk.readableBytesView)
            if body.count > limit + 65_536 { (body, isWhole) = ([], false) }
        }
        return (body, isWhole)
    }

    /// Runners tell the artifact's kind in the query, others in the form.
    private static func upload(_ call: Call, isWhole: Bool) -> ArtifactUpload {
        let form = Multipart(type: call.request.headers[.contentType] ?? "", body: call.body)
        var upload = ArtifactUpload(token: call.jobToken ?? form?.field("token"), isTooLarge: !isWhole)
        if let type = call["artifact_type"]?.text ?? form?.field("artifact_type") { upload.type = type }
        if let format = call["artifact_format"]?.text ?? form?.field("artifact_format") { upload.format = format }
        upload.expireIn = call["expire_in"]?.text ?? form?.field("expire_in")
        upload.file = form?.parts.last { $0.name == "file" }
        return upload
    }

    private static func download(_ archive: StoredArtifact) -> Response {
        let quoted = archive.filename.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        let encoded = archive.filename.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(CharacterSet(charactersIn: "-._~"))) ?? ""
        var headers: HTTPFields = [.contentType: "application/zip", .contentDisposition: "attachment; filename=\"\(quoted)\"; filename*=UTF-8''\(encoded)"]
        if let name = HTTPField.Name("Content-Transfer-Encoding") { headers[name] = "binary" }
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: archive.bytes)))
    }
}
