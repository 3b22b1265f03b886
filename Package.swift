// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// CI sets AUTOGIT_STRICT=1: a warning in our own targets fails the build, one in a dependency does not.
let strict = ProcessInfo.processInfo.environment["AUTOGIT_STRICT"] == "1"
let ours: [SwiftSetting] = strict ? [.unsafeFlags(["-warnings-as-errors"])] : []

let package = Package(
    name: "autogit",
    products: [
        .executable(name: "autogitd", targets: ["autogitd"]),
        .executable(name: "autogitctl", targets: ["autogitctl"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.7.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        // Without its default trait, which is for Foundation's types.
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
        .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
    ],
    targets: [
        .target(name: "CSystemd", linkerSettings: [.linkedLibrary("systemd")]),
        .target(
            name: "Systemd", dependencies: ["CSystemd", "Fleet", "Threads", .product(name: "Logging", package: "swift-log")], swiftSettings: ours),
        .target(
            name: "ScopeDriver",
            dependencies: [
                "ControlGroups", "CSystemd", "Systemd", "Fleet", "RunnerConfiguration", "Threads", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: ours),
        .target(name: "Threads", swiftSettings: ours),
        .target(name: "ControlGroups", swiftSettings: ours),
        .target(name: "CCurl", linkerSettings: [.linkedLibrary("curl")]),
        .target(
            name: "HTTPTransfer",
            dependencies: ["CCurl", "Threads"],
            swiftSettings: ours),
        .target(name: "Fleet", dependencies: [.product(name: "DequeModule", package: "swift-collections")], swiftSettings: ours),
        .target(name: "HostProbe", dependencies: ["Fleet"], swiftSettings: ours),
        .target(name: "SSHForward", dependencies: ["CSpawn", "Fleet", "Threads"], swiftSettings: ours),
        .target(name: "ControlModel", swiftSettings: ours),
        .target(name: "JSONSchema", swiftSettings: ours),
        .target(name: "Settings", dependencies: ["Fleet", "JSONSchema", "TOMLKit"], swiftSettings: ours),
        .target(
            name: "GitLab",
            dependencies: ["Fleet", "HTTPTransfer"],
            swiftSettings: ours),
        .target(
            name: "ContainerDriver",
            dependencies: [
                "ControlGroups", "Fleet", "HTTPTransfer", "RunnerConfiguration", "Threads", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: ours),
        .target(
            name: "SwarmDriver",
            dependencies: ["ContainerDriver", "Fleet", "HTTPTransfer", "RunnerConfiguration", .product(name: "Logging", package: "swift-log")],
            swiftSettings: ours),
        .target(
            name: "KubernetesDriver",
            dependencies: ["Fleet", "HTTPTransfer", "HostProbe", "RunnerConfiguration", "Threads", .product(name: "Logging", package: "swift-log")],
            swiftSettings: ours),
        .target(name: "Selftest", dependencies: ["ControlModel", "Fleet", "GitLab", "HTTPTransfer"], swiftSettings: ours),
        .target(name: "RunnerConfiguration", dependencies: ["Fleet", "TOMLKit"], swiftSettings: ours),
        .target(name: "CZlib", linkerSettings: [.linkedLibrary("z")]),
        .target(
            name: "Store",
            dependencies: ["CZlib", "Fleet", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: ours),
        .target(
            name: "Coordinator",
            dependencies: ["Fleet", "ControlModel", .product(name: "Logging", package: "swift-log")],
            swiftSettings: ours),
        .target(name: "CCrypto", linkerSettings: [.linkedLibrary("crypto")]),
        .target(
            name: "Notify",
            dependencies: [
                "CCrypto", "Fleet", "HTTPTransfer", "Systemd", .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: ours),
        .target(name: "StatusPage", dependencies: ["ControlModel"], swiftSettings: ours),
        .target(
            name: "Telemetry", dependencies: ["Fleet", .product(name: "CoreMetrics", package: "swift-metrics")], swiftSettings: ours),
        .target(
            name: "WebAPI",
            dependencies: [
                "Coordinator", "ControlModel", "Fleet", "JSONSchema", "StatusPage", "Telemetry",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOExtras", package: "swift-nio-extras"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: ours),
        .target(
            name: "HostTools",
            dependencies: [
                .product(name: "Subprocess", package: "swift-subprocess"), .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: ours),
        .target(name: "Setup", dependencies: ["HostTools"], swiftSettings: ours),
        .target(name: "Doctor", dependencies: ["ContainerDriver", "ControlModel", "Fleet", "GitLab", "HTTPTransfer", "HostTools"], swiftSettings: ours),
        .executableTarget(
            name: "autogitd",
            dependencies: [
                "Doctor", "HostTools", "Setup", "Settings", "ControlModel", "Coordinator", "WebAPI", "GitLab", "ContainerDriver", "ScopeDriver", "Store",
                "Fleet",
                "HostProbe", "Telemetry", "HTTPTransfer", "Notify", "Selftest", "SSHForward", "SwarmDriver", "KubernetesDriver", "Systemd", "CSystemd",
                "Threads",
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: ours),
        // A small program: no server, no SQLite, no systemd.
        .executableTarget(
            name: "autogitctl",
            dependencies: ["ControlModel", "HTTPTransfer", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: ours),
        // For tests, the demo and the benchmarks; the shipped daemon links none of these.
        .target(
            name: "FakeGitLab",
            dependencies: [
                "Fleet", "HTTPTransfer", "Yams",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: ours),
        .target(
            name: "TestBench",
            dependencies: [
                "ContainerDriver", "ControlModel", "FakeGitLab", "Fleet", "HTTPTransfer", "HostProbe", "JSONSchema",
                .product(name: "Logging", package: "swift-log"), .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: ours),
        .target(name: "CSpawn"),
        .target(name: "CSwiftHooks"),
        .target(
            name: "Simulation",
            dependencies: [
                "CSwiftHooks", "Coordinator", "Fleet", "GitLab", "Store", .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: ours),
        .executableTarget(name: "autogit-simulate", dependencies: ["Simulation"], swiftSettings: ours),
        .executableTarget(
            name: "autogit-chaos",
            dependencies: [
                "TestBench", "FakeGitLab", "ControlModel", "ContainerDriver", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: ours),
        .executableTarget(
            name: "autogit-fake-gitlab",
            dependencies: ["FakeGitLab", .product(name: "ArgumentParser", package: "swift-argument-parser")], swiftSettings: ours),
        .executableTarget(
            name: "autogit-demo",
            dependencies: [
                "TestBench", "FakeGitLab", "ControlModel", "Fleet", "HostProbe",
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: ours),
        .executableTarget(
            name: "autogit-bench",
            dependencies: [
                "TestBench", "FakeGitLab", "ControlModel", "ContainerDriver", "Fleet", "HTTPTransfer",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Benchmarks/autogit-bench", swiftSettings: ours),
        .testTarget(name: "FleetTests", dependencies: ["Fleet", "TestBench"], swiftSettings: ours),
        .testTarget(name: "SetupTests", dependencies: ["Setup", "HostTools", "Settings", "Fleet"], swiftSettings: ours),
        .testTarget(name: "DoctorTests", dependencies: ["Doctor", "Fleet", "GitLab", "HTTPTransfer", "HostTools", "TestBench"], swiftSettings: ours),
        .testTarget(name: "HostProbeTests", dependencies: ["HostProbe", "Fleet", "TestBench", "Threads"], swiftSettings: ours),
        .testTarget(name: "SSHForwardTests", dependencies: ["FakeGitLab", "SSHForward", "Fleet", "TestBench", "Threads"], swiftSettings: ours),
        .testTarget(name: "HTTPTransferTests", dependencies: ["HTTPTransfer", "TestBench"], swiftSettings: ours),
        .testTarget(name: "StatusPageTests", dependencies: ["StatusPage", "ControlModel"], swiftSettings: ours),
        .testTarget(
            name: "TelemetryTests", dependencies: ["Telemetry", "Fleet", .product(name: "CoreMetrics", package: "swift-metrics")], swiftSettings: ours),
        .testTarget(
            name: "NotifyTests",
            dependencies: ["Notify", "Fleet", "HTTPTransfer", "TestBench", "Systemd", .product(name: "Logging", package: "swift-log")],
            swiftSettings: ours),
        .testTarget(name: "ThreadsTests", dependencies: ["Threads"], swiftSettings: ours),
        .testTarget(name: "ControlGroupsTests", dependencies: ["ControlGroups", "TestBench"], swiftSettings: ours),
        .testTarget(
            name: "CoordinatorTests", dependencies: ["Coordinator", "Fleet", "ControlModel", "TestBench", .product(name: "Logging", package: "swift-log")],
            swiftSettings: ours),
        .testTarget(name: "JSONSchemaTests", dependencies: ["JSONSchema"], swiftSettings: ours),
        .testTarget(name: "SettingsTests", dependencies: ["Settings", "Fleet", "JSONSchema", "TestBench", "TOMLKit"], swiftSettings: ours),
        .testTarget(
            name: "GitLabTests", dependencies: ["GitLab", "Fleet", "FakeGitLab", "HTTPTransfer"], resources: [.copy("Payloads")],
            swiftSettings: ours),
        .testTarget(name: "FakeGitLabTests", dependencies: ["FakeGitLab", "HTTPTransfer", "Threads"], swiftSettings: ours),
        .testTarget(name: "SelftestTests", dependencies: ["Selftest", "FakeGitLab", "Fleet", "GitLab", "HTTPTransfer"], swiftSettings: ours),
        .testTarget(
            name: "StoreTests", dependencies: ["Store", "Fleet", "TestBench", .product(name: "GRDB", package: "GRDB.swift")], swiftSettings: ours),
        .testTarget(
            name: "WebAPITests",
            dependencies: [
                "WebAPI", "Coordinator", "ControlModel", "Fleet", "JSONSchema", "Store", "Telemetry", "TestBench",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "NIOEmbedded", package: "swift-nio"), .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
            ], swiftSettings: ours),
        .testTarget(
            name: "SystemdTests", dependencies: ["Systemd", "TestBench", "Threads", .product(name: "Logging", package: "swift-log")], swiftSettings: ours),
        .testTarget(name: "ControlModelTests", dependencies: ["ControlModel"], swiftSettings: ours),
        .testTarget(
            name: "autogitctlTests",
            dependencies: ["autogitctl", "ControlModel", .product(name: "ArgumentParser", package: "swift-argument-parser")], exclude: ["TopOnTerminal.py"],
            swiftSettings: ours),
        .testTarget(
            name: "autogitdTests",
            dependencies: [
                "autogitd", "ContainerDriver", "ControlModel", "Coordinator", "Fleet", "HTTPTransfer", "HostProbe", "Notify", "SSHForward", "Settings",
                "Systemd", "TestBench",
            ], swiftSettings: ours),
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "autogitd", "GitLab", "ContainerDriver", "Settings", "Fleet", "HostProbe", "HTTPTransfer", "FakeGitLab", "TestBench", "ControlModel", "Threads",
                .product(name: "Hummingbird", package: "hummingbird"), .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: ours),
        .testTarget(name: "SimulationTests", dependencies: ["autogit-simulate", "TestBench"], swiftSettings: ours),
        .testTarget(name: "ScopeDriverTests", dependencies: ["ScopeDriver", "RunnerConfiguration", "Fleet"], swiftSettings: ours),
        .testTarget(name: "RunnerConfigurationTests", dependencies: ["RunnerConfiguration", "Fleet", "TOMLKit"], swiftSettings: ours),
        .testTarget(
            name: "ContainerDriverTests",
            dependencies: ["ContainerDriver", "Fleet", "HTTPTransfer", "RunnerConfiguration", "TestBench", .product(name: "Logging", package: "swift-log")],
            swiftSettings: ours),
        .testTarget(
            name: "SwarmDriverTests",
            dependencies: [
                "SwarmDriver", "ContainerDriver", "Fleet", "HTTPTransfer", "RunnerConfiguration", "TestBench", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: ours),
        .testTarget(
            name: "KubernetesDriverTests",
            dependencies: [
                "KubernetesDriver", "FakeGitLab", "Fleet", "HTTPTransfer", "RunnerConfiguration", "TestBench", "Threads",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: ours),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "TestBench", "FakeGitLab", "ControlModel", "Fleet", "GitLab", "HostProbe", "HTTPTransfer", "JSONSchema", "Notify", "Selftest", "Threads",
                "autogitd",
                "autogitctl",
            ], exclude: ["page.py"],
            swiftSettings: ours),
    ],
    swiftLanguageModes: [.v6]
)
