/// Something that ssh could not do, or was not given well.
public struct SSHError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What happened and what the operator can do, at most `longest` characters, without control characters.
    public var message: String
    /// As `message`.
    public var description: String { message }

    /// Characters of a message.
    public static let longest = 800

    init(_ message: String) { self.message = String(SSHWords.clean(message[...]).prefix(Self.longest)) }
}
