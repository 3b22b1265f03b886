/// Reads a stream of server-sent events, which may be split anywhere.
/// See https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation.
struct ServerSentEvents {
    struct Message: Equatable {
        /// The newest id of the stream, also when an earlier event gave it; nil before the first.
        var id: String?
        /// `message` where the stream names none.
        var event: String
        var data: String
    }

    /// To be sent as `Last-Event-ID` when the stream is opened again.
    private(set) var lastID: String?
    /// How long to wait before that, in milliseconds; nil when the stream has not said.
    private(set) var retry: Int?

    private var line: [UInt8] = []
    private var isAfterReturn = false
    private var isFirstLine = true
    private var id: String?
    private var event = ""
    private var data: [UInt8] = []
    private var hasData = false

    /// - Returns: the events that the bytes complete. One that the stream ends in is never returned.
    mutating func take(_ bytes: [UInt8]) -> [Message] {
        var messages: [Message] = []
        for byte in bytes {
            defer { isAfterReturn = byte == UInt8(ascii: "\r") }
            switch byte {
            case UInt8(ascii: "\n") where isAfterReturn: break
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if let message = endLine() { messages.append(message) }
            default: line.append(byte)
            }
        }
        return messages
    }

    private mutating func endLine() -> Message? {
        defer { line.removeAll(keepingCapacity: true) }
        if isFirstLine {
            isFirstLine = false
            let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
            if line.starts(with: mark) { line.removeFirst(mark.count) }
        }
        if line.isEmpty { return dispatch() }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
            field(line[...], [])
            return nil
        }
        var value = line[(colon + 1)...]
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        field(line[..<colon], value)
        return nil
    }

    private mutating func field(_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
        switch String(decoding: name, as: UTF8.self) {
        case "event": event = String(decoding: value, as: UTF8.self)
        case "data":
            if hasData { data.append(UInt8(ascii: "\n")) }
            hasData = true
            data += value
        case "id": if !value.contains(0) { id = String(decoding: value, as: UTF8.self) }
        case "retry":
            let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
            if !value.isEmpty, value.allSatisfy(digits.contains) { retry = Int(String(decoding: value, as: UTF8.self)) ?? retry }
        default: break
        }
    }

    private mutating func dispatch() -> Message? {
        defer {
            event = ""
            data.removeAll(keepingCapacity: true)
            hasData = false
        }
        lastID = id
        guard hasData else { return nil }
        return Message(id: lastID, event: event.isEmpty ? "message" : event, data: String(decoding: data, as: UTF8.self))
    }
}
