import Fleet
import Testing

@testable import HostProbe

@Suite struct BinaryFormatTests {
    /// As Debian's qemu-user-static registers it, shown by the kernel.
    static let aarch64 = """
        enabled
        interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
        flags: POCF
        offset 0
        magic 7f454c460201010000000000000000000200b700
        mask ffffffffffffff00fffffffffffffffffeffffff

        """

    @Test func anEntryOfDebian() throws {
        let format = try BinaryFormat(name: "qemu-aarch64", Self.aarch64)
        #expect(format.isEnabled && format.flags == "POCF" && format.interpreter == "/usr/libexec/qemu-binfmt/aarch64-binfmt-P")
        #expect(format.architecture == .arm64)
    }

    @Test(
        arguments: [
            ("7f454c460201010000000000000000000200f300", .riscv64), ("7f454c4602020100000000000000000000020016", .s390x),
            ("7f454c46020101000000000000000000020015 00", nil), ("7f454c460201010000000000000000000200" + "1500", .ppc64le),
            ("7f454c4602020100000000000000000000020015", nil), ("7f454c460101010000000000000000000200" + "2800", .arm),
            ("7f454c460101010000000000000000000200" + "0300", .i386), ("7f454c460201010000000000000000000200" + "3e00", .amd64),
            ("7f454c460201010000000000000000000200" + "0201", .loong64), ("7f454c460101010000000000000000000200" + "f300", nil), ("7f454c46", nil),
            ("504b0304", nil),
        ] as [(String, Architecture?)])
    func theMagicTellsTheArchitecture(_ magic: String, _ architecture: Architecture?) throws {
        let format = try BinaryFormat(name: "any", "enabled\ninterpreter /usr/bin/any\nflags: \noffset 0\nmagic \(magic)\n")
        #expect(format.architecture == architecture)
    }

    @Test(
        arguments: [
            ("qemu-riscv64", "/usr/bin/x", .riscv64), ("x", "/usr/bin/qemu-s390x-static", .s390x), ("x", "/usr/libexec/qemu-binfmt/arm-binfmt-P", .arm),
            ("qemu-armeb", "/usr/bin/qemu-armeb", nil), ("arm", "/usr/bin/arm", nil),
        ] as [(String, String, Architecture?)])
    func withoutAMagicTheNamesTell(_ name: String, _ interpreter: String, _ architecture: Architecture?) throws {
        #expect(try BinaryFormat(name: name, "enabled\ninterpreter \(interpreter)\nflags: F\n").architecture == architecture)
    }

    @Test func aFormatByExtensionIsNoMachineCode() throws {
        #expect(try BinaryFormat(name: "qemu-arm", "enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n").architecture == nil)
        #expect(try !BinaryFormat(name: "qemu-arm", "disabled\ninterpreter /a\n").isEnabled)
    }

    @Test(arguments: ["", "enabled\n", "interpreter x", "\u{0}\u{1}"])
    func withoutAnInterpreterItIsNone(_ text: String) {
        #expect(throws: Malformed(reason: "it names no interpreter")) { try BinaryFormat(name: "x", text) }
    }
}
