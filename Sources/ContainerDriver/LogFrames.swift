/// Docker's multiplexed log stream: a header of stream (1), zeros (3) and big-endian length (4) before each piece,
/// cut into chunks anywhere. The log of a container with a terminal has no headers.
///
/// A piece is passed on as it comes, so that nothing piles up however long it is.
struct LogFrames {
    /// The beginning of a header.
    private var header: [UInt8] = []
    /// What is still to come of the current piece, in bytes.
    private var left = 0
    private var isPlain = false

    /// - Returns: the text in a chunk.
    mutating func take(_ chunk: [UInt8]) -> [UInt8] {
        if isPlain { return chunk }
        var text: [UInt8] = []
        var rest = chunk[...]
        while !rest.isEmpty {
            if left > 0 {
                let piece = rest.prefix(left)
                text += piece
                left -= piece.count
                rest = rest.dropFirst(piece.count)
                continue
            }
            let part = rest.prefix(8 - header.count)
            header += part
            rest = rest.dropFirst(part.count)
            guard header[0] <= 2, header.dropFirst().prefix(3).allSatisfy({ $0 == 0 }) else {
                isPlain = true
                text += header + rest
                header = []
                break
            }
            if header.count == 8 {
                left = header[4...].reduce(0) { $0 << 8 | Int($1) }
                header = []
            }
        }
        return text
    }
}
