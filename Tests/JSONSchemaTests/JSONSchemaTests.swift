import JSONSchema
import Testing

@Suite struct JSONSchemaTests {
    @Test func valuesAreWrittenInTheirOrder() {
        let value: JSONValue = ["z": 1, "a": [true, .null, .number(2.5), "t"], "empty": [], "none": [:]]
        #expect(value.text == #"{"z":1,"a":[true,null,2.5,"t"],"empty":[],"none":{}}"#)
        #expect(
            value.lines == """
                {
                  "z": 1,
                  "a": [
                    true,
                    null,
                    2.5,
                    "t"
                  ],
                  "empty": [],
                  "none": {}
                }
                """)
    }

    @Test func textsAreEscaped() {
        #expect(JSONValue.string("a\"b\\c\nd\u{1B}\t\u{2028}é").text == #""a\"b\\c\nd\u001b\u0009\#u{2028}é""#)
    }

    @Test func whatIsOptionalIsNotRequired() {
        let schema = Schema.object("A thing.", ["a": .string("its name").matching("^x"), "b": .integer().from(0, to: 9).optional])
        #expect(
            schema.closed.value.text
                == #"{"type":"object","description":"A thing.","properties":{"a":{"type":"string","description":"its name","pattern":"^x"},"#
                + #""b":{"type":"integer","minimum":0,"maximum":9}},"required":["a"],"additionalProperties":false}"#)
        #expect(Schema.object(nil, ["b": .flag().optional]).value.text == #"{"type":"object","properties":{"b":{"type":"boolean"}}}"#)
    }
}
