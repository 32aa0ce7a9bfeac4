import Driver
import RPC

extension CSI {
    enum GetPluginInfo: RPCMethod {
        static let name = "Identity.GetPluginInfo"
        typealias Parameters = Empty
        struct Result: Hashable, Sendable, Codable {
            var name: String
            var vendorVersion: String
        }
    }

    enum GetPluginCapabilities: RPCMethod {
        static let name = "Identity.GetPluginCapabilities"
        typealias Parameters = Empty
        typealias Result = Capabilities
    }

    enum Probe: RPCMethod {
        static let name = "Identity.Probe"
        typealias Parameters = Empty
        struct Result: Hashable, Sendable, Codable { var ready: Bool }
    }
}

extension MethodTable {
    mutating func addIdentity(version: String, driver: any StorageDriver) {
        add(CSI.GetPluginInfo.self) { _ in .init(name: "csi.ebb", vendorVersion: version) }
        add(CSI.GetPluginCapabilities.self) { _ in
            let abilities = try await driver.describeDriver().capabilities
            return .init(
                capabilities: [.service("CONTROLLER_SERVICE"), .service("VOLUME_ACCESSIBILITY_CONSTRAINTS")]
                    + (abilities.contains(.snapshots) ? [.service("GROUP_CONTROLLER_SERVICE")] : [])
                    + (abilities.contains(.modifyVolumes) ? [.init(volumeExpansion: .init(type: "ONLINE"))] : []))
        }
        // Clients see the socket only when the state is loaded.
        add(CSI.Probe.self) { _ in .init(ready: true) }
    }
}
