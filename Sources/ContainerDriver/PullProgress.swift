import FoundationEssentials

/// Podman's and Docker's pull stream: JSON objects with a status, or with an error.
struct PullProgress {
    private var lines = LineBuffer()
    private var last = ""

    /// - Returns: a line for the log when something new happens.
    /// - Throws: `EngineError` with the registry's words.
    mutating func take(_ chunk: [UInt8]) throws -> String? {
        var news: String?
        for line in lines.take(chunk) { news = try take(line: line) ?? news }
        return news
    }

    /// The stream ended: its last line may lack a line break.
    mutating func end() throws { _ = try take(line: lines.unfinished) }

    private mutating func take(line: [UInt8]) throws -> String? {
        struct Wire: Decodable {
            struct Detail: Decodable { var message: String? }
            var status: String?
            var error: String?
            var errorDetail: Detail?
            var stream: String?
        }
        guard let wire = try? JSONDecoder().decode(Wire.self, from: Data(line)) else { return nil }
        if let error = wire.error ?? wire.errorDetail?.message { throw EngineError(message: "pull failed: \(error)", isOutage: false) }
        guard let status = wire.status ?? wire.stream, status != last, status != "Downloading", status != "Extracting" else { return nil }
        last = status
        return status
    }
}
