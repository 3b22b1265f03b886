import Fleet
import FoundationEssentials
import HTTPTransfer

/// The engine refused, failed, or can't be reached.
public struct EngineError: DriverFailure, Sendable, CustomStringConvertible {
    /// The HTTP status; nil when there was no answer, or when the answer was 200 and the trouble came in its body.
    public var status: Int?
    /// What happened, with the engine's own words where there are some.
    public var message: String
    /// The engine gave no answer. A pull that fails, or takes too long, is not one: the engine answered, and the registry did not.
    public var isOutage: Bool
    /// The message.
    public var description: String { message }

    /// - Parameter isOutage: by default whether there is no status.
    public init(status: Int? = nil, message: String, isOutage: Bool? = nil) {
        self.status = status
        self.message = message
        self.isOutage = isOutage ?? (status == nil)
    }

    /// An answer that is an error, in the engine's own words: those of the registry when a pull was asked for.
    init(_ answer: HTTPResponse) {
        struct Complaint: Decodable {
            var message: String?
            var cause: String?
        }
        let said = try? JSONDecoder().decode(Complaint.self, from: Data(answer.body))
        let words = [said?.message, said?.cause].compactMap { $0 }.first { !$0.isEmpty }
        self.init(status: answer.status, message: "the engine answered \(answer.status): \(words ?? String(answer.text.prefix(300)))")
    }
}
