import FoundationEssentials

/// The JSON of the API, the same wherever it is written: names sorted, slashes as they are, on one line without its end.
public enum APIJSON {
    /// - Throws: the encoder's error, such as for a number that is none.
    public static func bytes(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }
}
