/// The instruction set of a host, an image or a runner. Its raw value is Go's name, which engines and registries use.
public enum Architecture: String, Sendable, CaseIterable {
    case amd64
    case arm64
    /// 32 bits, with hardware floating point.
    case arm
    case i386 = "386"
    case riscv64
    case ppc64le
    case s390x
    case loong64

    /// Takes Debian's names, those of Docker's platforms with or without their variant, and those of uname(1); capitals don't matter.
    public init?(named name: String) {
        let name = name.lowercased()
        guard let found = Self.allCases.first(where: { $0.names.contains(name) || $0.rawValue == name }) else { return nil }
        self = found
    }

    /// Every name that `init(named:)` takes, in lower case, our own first.
    public static var everyName: [String] { allCases.map(\.rawValue) + allCases.flatMap(\.names) }

    private var names: [String] {
        switch self {
        case .amd64: ["x86_64", "x86-64", "x64"]
        case .arm64: ["aarch64", "arm64/v8", "arm64v8", "armv8"]
        case .arm: ["armhf", "armv7", "armv7l", "arm/v7", "arm32v7"]
        case .i386: ["i386", "i486", "i586", "i686", "x86"]
        case .riscv64: ["riscv"]
        case .ppc64le: ["ppc64el", "powerpc64le"]
        case .s390x: ["s390"]
        case .loong64: ["loongarch64"]
        }
    }

    /// What uname(1) calls it, and QEMU in the names of its emulators.
    public var machine: String {
        switch self {
        case .amd64: "x86_64"
        case .arm64: "aarch64"
        case .arm: "arm"
        case .i386: "i386"
        case .loong64: "loongarch64"
        case .riscv64, .ppc64le, .s390x: rawValue
        }
    }

    /// The tags that jobs name it by: Go's name, and uname's where that is another.
    public var tags: [String] { machine == rawValue ? [rawValue] : [rawValue, machine] }

    /// For an engine's `platform`.
    public var platform: String { self == .arm ? "linux/arm/v7" : "linux/\(rawValue)" }
}

/// Prints as Go's name.
extension Architecture: CustomStringConvertible {
    public var description: String { rawValue }
}

/// Whether a pool's runners may run on a host of another architecture, through QEMU.
public enum Emulation: String, Sendable, CaseIterable {
    /// On a host of the architecture, else emulated.
    case allow
    /// Only on a host of the architecture.
    case deny
    /// Only emulated, also where there is a host of the architecture.
    case only
}

/// A program that runs another architecture's programs, as registered with the kernel
/// (docs.kernel.org/admin-guide/binfmt-misc.html).
public struct Emulator: Sendable, Equatable, Codable {
    /// What it runs, by Go's name.
    public var architecture: String
    /// The path of the program.
    public var interpreter: String
    /// The flags of the registration, such as `OCF`.
    public var flags: String
    /// Whether the registration is in force.
    public var isEnabled: Bool
    public init(architecture: String, interpreter: String, flags: String, isEnabled: Bool = true) {
        self.architecture = architecture
        self.interpreter = interpreter
        self.flags = flags
        self.isEnabled = isEnabled
    }

    /// Whether it works in containers, too, which don't have its program: flag F has the kernel open it at the registration.
    public var reachesContainers: Bool { isEnabled && flags.contains("F") }
}
