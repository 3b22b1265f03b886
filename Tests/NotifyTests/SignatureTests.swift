import Fleet
import Notify
import Testing

@Suite struct SignatureTests {
    private static func bytes(_ hex: String) -> [UInt8] {
        stride(from: 0, to: hex.count, by: 2).map { offset in
            let start = hex.index(hex.startIndex, offsetBy: offset)
            return UInt8(hex[start..<hex.index(start, offsetBy: 2)], radix: 16) ?? 0
        }
    }

    /// RFC 4231, section 4: key, data and HMAC-SHA-256, of the fifth the first 128 bits.
    @Test(arguments: [
        (
            String(repeating: "0b", count: 20), Signature.hex(Array("Hi There".utf8)),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Signature.hex(Array("Jefe".utf8)), Signature.hex(Array("what do ya want for nothing?".utf8)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            String(repeating: "aa", count: 20), String(repeating: "dd", count: 50),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        ),
        (
            "0102030405060708090a0b0c0d0e0f10111213141516171819", String(repeating: "cd", count: 50),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        ),
        (String(repeating: "0c", count: 20), Signature.hex(Array("Test With Truncation".utf8)), "a3b6167473100ee06e0c796c2955552b"),
        (
            String(repeating: "aa", count: 131), Signature.hex(Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
        (
            String(repeating: "aa", count: 131),
            Signature.hex(
                Array(
                    "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm."
                        .utf8)),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
        ),
    ])
    func itIsThatOfTheStandard(key: String, data: String, code: String) throws {
        #expect(Signature.hex(try #require(Signature.hmac(Self.bytes(data), key: Self.bytes(key)))).hasPrefix(code))
    }

    /// openssl dgst -sha256 -hmac "" </dev/null
    @Test func nothingAtAllHasACodeToo() throws {
        #expect(
            Signature.hex(try #require(Signature.hmac([], key: []))) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }
}
