import Testing

@testable import FakeGitLab

@Suite struct MultipartTests {
    private func parse(_ body: String, type: String = "multipart/form-data; boundary=b") -> Multipart? { Multipart(type: type, body: Array(body.utf8)) }

    @Test func partsComeWithNamesAndBytes() throws {
        let body = """
            preamble\r
            --b\r
            content-disposition: form-data; name="field"\r
            \r
            value\r
            --b\r
            Content-Type: text/plain\r
            Content-Disposition: form-data; name=file; filename="a \\"b\\".zip"\r
            \r
            one\r
            \r
            two\r
            --b--\r
            """
        let parsed = try #require(parse(body))
        #expect(parsed.field("field") == "value" && parsed.field("file") == nil)
        #expect(parsed.parts.last == .init(name: "file", filename: "a \"b\".zip", bytes: Array("one\r\n\r\ntwo".utf8)))
    }

    @Test(arguments: [
        "", "--b", "--b\r\n", "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nnever ends", "--b\r\nContent-Type: x\r\n\r\nno name\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n--b--", "--other--",
    ]) func whatDoesNotKeepToItsBoundaryIsNone(body: String) {
        #expect(parse(body) == nil)
    }

    @Test func theTypeSaysWhatDivides() {
        let body = "--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x y--"
        #expect(parse(body, type: "Multipart/Form-Data; charset=x; boundary=\"x y\"")?.field("a") == "1")
        #expect(parse(body, type: "multipart/form-data") == nil && parse(body, type: "application/json; boundary=\"x y\"") == nil)
        #expect(parse("--x y--", type: "multipart/form-data; boundary=\"x y\"")?.parts == [])
    }
}
