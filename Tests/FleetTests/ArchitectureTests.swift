import Testing

@testable import Fleet

@Suite struct ArchitectureTests {
    @Test(arguments: [
        ("amd64", Architecture.amd64), ("x86_64", .amd64), ("AMD64", .amd64), ("arm64", .arm64), ("aarch64", .arm64), ("arm64/v8", .arm64), ("armhf", .arm),
        ("armv7l", .arm), ("i386", .i386), ("i686", .i386), ("386", .i386), ("riscv64", .riscv64), ("ppc64el", .ppc64le), ("ppc64le", .ppc64le),
        ("s390x", .s390x),
        ("loongarch64", .loong64),
    ])
    func allOfItsNamesAreKnown(name: String, expected: Architecture) { #expect(Architecture(named: name) == expected) }

    @Test(arguments: ["", "x86-128", "arm 64", "🐧"])
    func othersAreNot(name: String) { #expect(Architecture(named: name) == nil) }

    @Test func everyNameComesBackToItself() {
        for architecture in Architecture.allCases {
            for name in [architecture.rawValue, architecture.machine] + architecture.tags { #expect(Architecture(named: name) == architecture) }
            #expect(architecture.platform.hasPrefix("linux/"))
        }
        #expect(Architecture.amd64.tags == ["amd64", "x86_64"] && Architecture.arm64.tags == ["arm64", "aarch64"] && Architecture.riscv64.tags == ["riscv64"])
    }

    @Test(arguments: [
        ("alpine", "localhost/autogit-arm64/docker.io/library/alpine:latest"),
        ("docker.io/library/alpine:3", "localhost/autogit-arm64/docker.io/library/alpine:3"),
        ("registry.home:5000/a/B:1", "localhost/autogit-arm64/registry.home-5000/a/b:1"), ("localhost/x:1", "localhost/autogit-arm64/localhost/x:1"),
        (
            "x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "localhost/autogit-arm64/docker.io/library/x:0123456789abcdef0123456789abcdef"
        ),
    ])
    func anImageOfAnArchitectureHasANameOfItsOwn(name: String, expected: String) {
        #expect(WantedImage(name, .arm64).localName == expected)
        #expect(ImageName(expected).canonical == expected)
        #expect(WantedImage(name).localName == name)
    }

    @Test(arguments: [
        ("5.4.2", true), ("5.4", true), ("5.10.0", true), ("6", true), ("5.3.9", false), ("4.3.1", false), ("", false), ("5.4.0-rc1", true), ("dev", false),
    ])
    func versionsAreCompared(version: String, isAtLeast: Bool) { #expect(EngineKind(name: "Podman Engine", version: version).isAtLeast(5, 4) == isAtLeast) }
}
