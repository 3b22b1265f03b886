extension HTTPClient {
    /// How long the words of an error may be, and how long they may take. The status alone is enough to go on.
    private static let complaintBound = 64 << 10
    private static let complaintTime = Duration.seconds(10)

    /// The beginning of a streamed answer that turned out to be an error: at most 64 KiB, and what came within ten seconds.
    package static func complaint(in chunks: AsyncThrowingStream<[UInt8], any Error>) async -> [UInt8] {
        let reading = Task {
            var body: [UInt8] = []
            do {
                for try await chunk in chunks {
                    body += chunk
                    if body.count >= complaintBound { break }
                }
            } catch {
                // What came before is all there is.
            }
            return Array(body.prefix(complaintBound))
        }
        let alarm = Task {
            try await Task.sleep(for: complaintTime)
            reading.cancel()
        }
        defer { alarm.cancel() }
        return await withTaskCancellationHandler {
            await reading.value
        } onCancel: {
            reading.cancel()
        }
    }
}
