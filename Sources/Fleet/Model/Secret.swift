/// A token or password. It prints as `<redacted>` wherever a value can be printed, so that it can't
/// reach a log, an error text or an API answer by accident; `reveal()` marks the few places that need it.
public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    private let value: String

    public init(_ value: String) { self.value = value }

    /// The text itself. Not for logs, errors or answers.
    public func reveal() -> String { value }

    /// Always `<redacted>`.
    public var description: String { "<redacted>" }
    /// Always `<redacted>`.
    public var debugDescription: String { description }
    /// Without children, so that `dump` shows nothing.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Compares in a time that depends on the lengths only, so that an attacker on the network can't
    /// find a secret byte by byte.
    public func matches(_ candidate: String) -> Bool {
        let a = Array(value.utf8)
        let b = Array(candidate.utf8)
        var difference: UInt8 = a.count == b.count ? 0 : 1
        for index in a.indices {
            difference |= a[index] ^ (index < b.count ? b[index] : 0)
        }
        return difference == 0
    }
}
