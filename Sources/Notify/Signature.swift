import CCrypto
import Fleet

/// What proves to the receiver of a webhook that it is ours, and whole.
public enum Signature {
    /// HMAC with SHA-256 (RFC 2104).
    /// - Returns: 32 bytes; nil when the system's library has no SHA-256, as one in a mode of restricted algorithms may not.
    public static func hmac(_ data: [UInt8], key: [UInt8]) -> [UInt8]? {
        var code = [UInt8](repeating: 0, count: 32)
        let done = key.withUnsafeBytes { key in
            data.withUnsafeBytes { data in autogit_hmac_sha256(key.baseAddress, key.count, data.baseAddress, data.count, &code) }
        }
        return done == 1 ? code : nil
    }

    /// The value of `X-AutoGit-Signature` for a body: `sha256=` and 64 hexadecimal digits.
    static func header(_ body: [UInt8], secret: Secret) -> String? {
        hmac(body, key: Array(secret.reveal().utf8)).map { "sha256=" + hex($0) }
    }

    /// Two lower-case digits a byte.
    public static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
