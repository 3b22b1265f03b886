import FoundationEssentials

/// Podman's and Docker's pull stream: JSON objects with a status, with the progress of a layer, or with an error.
struct PullProgress {
    private var lines = LineBuffer()
    private var last = ""
    /// By layer, in bytes.
    private var layers: [String: (received: Int64, total: Int64)] = [:]

    /// Bounds on what an engine may say, so that no sum overflows: layers, and bytes of each.
    private static let (most, largest) = (1000, Int64(1) << 40)

    /// Bytes of all layers so far, compressed.
    var received: Int64 { layers.values.reduce(0) { $0 + $1.received } }
    /// Bytes of all layers that are known so far; nil before any is.
    var total: Int64? { layers.isEmpty ? nil : layers.values.reduce(0) { $0 + $1.total } }

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
            struct Progress: Decodable {
                var current: Int64?
                var total: Int64?
            }
            var status: String?
            var id: String?
            var progressDetail: Progress?
            var error: String?
            var errorDetail: Detail?
            var stream: String?
        }
        guard let wire = try? JSONDecoder().decode(Wire.self, from: Data(line)) else { return nil }
        if let error = wire.error ?? wire.errorDetail?.message { throw EngineError(message: error, isOutage: false) }
        let status = wire.status ?? wire.stream
        if let id = wire.id, let known = layers[id], status == "Download complete" { layers[id] = (known.total, known.total) }
        // What is unpacked has its own figures, of the same layer.
        if let id = wire.id, status == "Downloading", let said = wire.progressDetail?.total, said > 0, layers.count < Self.most || layers[id] != nil {
            let total = min(said, Self.largest)
            layers[id] = (min(max(wire.progressDetail?.current ?? 0, 0), total), total)
        }
        guard let status, status != last, status != "Downloading", status != "Extracting" else { return nil }
        last = status
        return status
    }
}
