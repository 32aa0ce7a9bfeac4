// swift-tools-version: 6.2
import PackageDescription

/// Every Swift room is held to the same rules: warnings are errors, and each unsafe construct is spelled out.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(of name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: dependencies + ["TestSupport"], path: "Tests/\(name)",
        swiftSettings: strict)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")

let package = Package(
    name: "ebb",
    products: [
        .executable(name: "ebb", targets: ["ebb"]),
        .executable(name: "ebbd", targets: ["ebbd"]),
        .library(name: "StorageDriverConformance", targets: ["StorageDriverConformance"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2"),
    ],
    targets: [
        // The machine: libfuse3 and the kernel, as Swift can use them.
        .target(name: "CFuse", linkerSettings: [.linkedLibrary("fuse3")]),
        .target(name: "CPlatform"),
        room("Platform", ["CPlatform", system]),

        // The vocabulary and the bytes.
        room("Driver"),
        room("BlockStore", ["Platform", crypto, system]),

        // What lies elsewhere, over AWS' wire.
        room("AWSWire", ["Platform", asyncHTTPClient, nioCore, nioPosix, nioHTTP1, nioSSL, crypto, system]),
        room("S3", ["AWSWire", "BlockStore", "Platform"]),
        room("EC2", ["AWSWire", "Driver", "Platform"]),

        // The region: one world below the driver protocol.
        room("Emulator", ["Driver", "BlockStore", "Platform", "CFuse", crypto, grdb, heap, logging, system]),
        room("StorageDriverConformance", ["Driver"]),

        // The using side, and its fronts.
        room("Host", ["Driver", "Platform", subprocess, logging]),
        room("RPC", ["Driver", "Platform"]),
        room("RPCServer", ["RPC", "Host", "Driver", "Platform", nioCore, nioPosix, logging]),
        room("HTTPServing", [hummingbird, nioCore, nioPosix, logging, system]),
        room("DockerPlugin", ["Host", "HTTPServing", "Driver", "Platform", hummingbird, nioCore, logging]),
        room("Prometheus", ["HTTPServing", "Driver", hummingbird, nioCore, logging, system]),
        room("Settings", ["Driver", "Platform", system]),

        // The programs.
        program("ebb", ["RPC", "Driver", "Platform", "Settings", argumentParser, system]),
        program(
            "ebbd",
            [
                "Emulator", "Host", "RPC", "RPCServer", "DockerPlugin", "Prometheus", "Settings", "Driver",
                "Platform", "BlockStore", "S3", "EC2", "AWSWire", argumentParser, logging,
            ]),

        .target(
            name: "TestSupport", dependencies: ["Driver", "Platform", system, subprocess], path: "Tests/Support",
            swiftSettings: strict),
        tests(of: "Platform", ["Platform", system]),
        tests(of: "Driver", ["Driver"]),
        tests(of: "BlockStore", ["BlockStore", "Platform", system]),
        tests(of: "AWSWire", ["AWSWire", "Platform", system]),
        tests(of: "EC2", ["EC2", "AWSWire", "Driver", "Platform", "StorageDriverConformance", system]),
        tests(of: "S3", ["S3", "AWSWire", "BlockStore", "Platform", system]),
        tests(
            of: "Emulator",
            ["Emulator", "BlockStore", "Driver", "Platform", "StorageDriverConformance", logging, system]),
        tests(of: "Host", ["Host", "Driver", "Platform"]),
        tests(
            of: "RPC",
            [
                "RPC", "RPCServer", "Host", "Emulator", "BlockStore", "Driver", "Platform",
                "StorageDriverConformance", system, logging,
            ]),
        tests(of: "DockerPlugin", ["DockerPlugin", "Host", "Driver", "Platform", system, logging]),
        tests(of: "Prometheus", ["Prometheus", "Driver", "Platform", logging, system]),
        tests(of: "Settings", ["Settings", "Platform"]),
        tests(of: "CommandLine", ["ebb", "RPC", "Driver", "Platform", "Settings"]),
        tests(of: "Daemon", ["ebb", "ebbd", "RPC", "RPCServer", "Driver", "Platform"]),
        tests(of: "Tidy", [system]),
    ],
    swiftLanguageModes: [.v6]
)
