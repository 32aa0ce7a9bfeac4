#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Testing
import TestSupport

/// The rooms and what each may import, as `docs/architecture.md` draws them.
@Suite("Rooms keep their limits")
struct RoomsTests {
    /// Our own rooms that each room may depend on.
    static let drawing: [String: Set<String>] = [
        "CFuse": [], "CPlatform": [],
        "Platform": ["CPlatform"],
        "Driver": [],
        "BlockStore": ["Platform"],
        "AWSWire": ["Platform"],
        "S3": ["AWSWire", "BlockStore", "Platform"],
        "EC2": ["AWSWire", "Driver", "Platform"],
        "Emulator": ["Driver", "BlockStore", "Platform", "CFuse"],
        "StorageDriverConformance": ["Driver"],
        "Host": ["Driver", "Platform"],
        "RPC": ["Driver", "Platform"],
        "RPCServer": ["RPC", "Host", "Driver", "Platform"],
        "HTTPServing": [],
        "DockerPlugin": ["Host", "HTTPServing", "Driver", "Platform"],
        "Prometheus": ["HTTPServing", "Driver"],
        "Settings": ["Driver", "Platform"],
        "ebb": ["RPC", "Driver", "Platform", "Settings"],
        "ebbd": [
            "Emulator", "Host", "RPC", "RPCServer", "DockerPlugin", "Prometheus", "Settings", "Driver", "Platform",
            "BlockStore", "S3", "EC2", "AWSWire",
        ],
    ]

    /// What comes from other projects, and the only folders that may import it.
    static let homes: [(modules: Set<String>, folders: [String])] = [
        (["CFuse"], ["Sources/Emulator/Filesystem/"]),
        (["GRDB", "SQLite3", "GRDBSQLite"], ["Sources/Emulator/Catalog/", "Tests/Emulator/"]),
        (
            ["Hummingbird", "HummingbirdCore", "HTTPTypes", "NIOHTTP1"],
            ["Sources/HTTPServing/", "Sources/DockerPlugin/", "Sources/Prometheus/", "Sources/AWSWire/"]
        ),
        (["AsyncHTTPClient", "NIOSSL"], ["Sources/AWSWire/"]),
        (
            ["NIOCore", "NIOPosix", "NIO"],
            [
                "Sources/RPCServer/", "Sources/HTTPServing/", "Sources/DockerPlugin/", "Sources/Prometheus/",
                "Sources/AWSWire/",
            ]
        ),
        (["Yams"], ["Sources/Settings/", "Sources/ebb/", "Tests/CommandLine/"]),
        (["ArgumentParser"], ["Sources/ebb/", "Sources/ebbd/", "Tests/CommandLine/"]),
    ]

    /// Modules whose types stand in the interface of another, and so come with it.
    static let interfaces: [String: Set<String>] = [
        "Platform": ["SystemPackage"],
        "Hummingbird": ["HummingbirdCore", "HTTPTypes"],
    ]

    static let ofToolchain: Set<String> = [
        "Dispatch", "Foundation", "FoundationEssentials", "Glibc", "Synchronization",
    ]

    @Test("each room depends on no more than the drawing says")
    func dependencies() async throws {
        let targets = try await PackageDescription.read().targets.filter {
            $0.type != "test" && $0.name != "TestSupport"
        }
        #expect(Set(targets.map(\.name)) == Set(Self.drawing.keys))
        for target in targets {
            let ours = Set(target.dependencies.compactMap(\.byName))
            #expect(
                ours.subtracting(Self.drawing[target.name] ?? []) == [], "\(target.name) imports upwards or sideways")
        }
    }

    @Test("the program ebb links no server: it starts in milliseconds")
    func commandLineIsSmall() async throws {
        let targets = try await PackageDescription.read().targets
        let byName = Dictionary(uniqueKeysWithValues: targets.map { ($0.name, $0) })
        var open = ["ebb"]
        var seen: Set<String> = []
        var products: Set<String> = []
        while let name = open.popLast() {
            guard seen.insert(name).inserted, let target = byName[name] else { continue }
            open += target.dependencies.compactMap(\.byName)
            products.formUnion(target.dependencies.compactMap(\.product))
        }
        #expect(products.subtracting(["ArgumentParser", "Yams", "SystemPackage", "Logging"]) == [])
    }

    @Test("a room imports only what it declares")
    func importsAreDeclared() async throws {
        let targets = try await PackageDescription.read().targets
        let declared = Dictionary(
            uniqueKeysWithValues: targets.map { target in
                (target.name, Set(target.dependencies.flatMap { [$0.byName, $0.product].compactMap { $0 } }))
            })
        for file in try SourceTree.swiftFiles() {
            guard let room = file.room, let names = declared[room] else { continue }
            let visible = names.union(names.flatMap { Self.interfaces[$0] ?? [] }).union(Self.ofToolchain)
            let undeclared = Set(file.imports).subtracting(visible)
            #expect(undeclared == [], "\(file.path) imports what its target does not declare")
        }
    }

    @Test("FUSE, SQLite, HTTP and the network each have one home")
    func homesOfPackages() throws {
        for file in try SourceTree.swiftFiles() {
            for (modules, folders) in Self.homes where !folders.contains(where: file.path.hasPrefix) {
                #expect(modules.intersection(file.imports) == [], "\(file.path): only in \(folders)")
            }
        }
    }
}

/// The part of `swift package dump-package` that the rules read.
struct PackageDescription: Decodable {
    let targets: [Target]

    struct Target: Decodable {
        let name: String
        let type: String
        let dependencies: [Dependency]
    }

    /// Either a target of ours or a product of another package.
    struct Dependency: Decodable {
        let byName: String?
        let product: String?

        enum CodingKeys: CodingKey { case byName, product }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            byName = try container.decodeIfPresent([String?].self, forKey: .byName)?.first ?? nil
            // A product is followed by its package, module aliases and a condition: only the name matters.
            var list = try? container.nestedUnkeyedContainer(forKey: .product)
            product = try list?.decode(String.self)
        }
    }

    /// Asks the toolchain, in a scratch folder of its own: `swift test` may hold the lock of the usual one.
    static func read() async throws -> PackageDescription {
        try await withTemporaryDirectory { scratch in
            let result = try await runCommand(
                "swift", ["package", "--scratch-path", scratch.string, "dump-package"], in: SourceTree.root)
            try #require(result.status == 0, "\(result.errors)")
            return try JSONDecoder().decode(PackageDescription.self, from: Data(result.output.utf8))
        }
    }
}
