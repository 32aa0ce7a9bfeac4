#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import Platform
import SystemPackage

/// What a worker gets from its supervisor: descriptors that outlive it.
///
/// Travels as JSON in the worker's one hidden argument; the numbers are descriptors that are open in it.
struct Inheritance: Codable {
    /// The filesystem's lanes; empty for a node, which has no filesystem.
    var lanes: [Int32] = []
    /// The memory file that holds the session's first INIT request.
    var initRecord: Int32?
    /// Whether an earlier worker served these lanes.
    var takesOver: Bool
    /// The RPC's listening socket.
    var rpcListener: Int32
    /// Docker's listening sockets, by volume driver name.
    var dockerListeners: [String: Int32]
    /// One byte written here says that the worker serves.
    var readiness: Int32
    /// The supervisor, to notice that it died before the worker could ask the kernel to tell.
    var supervisorPID: Int32

    var descriptors: [FileDescriptor] {
        (lanes + [initRecord, rpcListener, readiness].compactMap(\.self) + dockerListeners.values)
            .map(FileDescriptor.init(rawValue:))
    }

    func argument() throws -> String {
        String(decoding: try JSONEncoder().encode(self), as: UTF8.self)
    }

    init(
        lanes: [Int32], initRecord: Int32?, takesOver: Bool, rpcListener: Int32,
        dockerListeners: [String: Int32], readiness: Int32, supervisorPID: Int32
    ) {
        self.lanes = lanes
        self.initRecord = initRecord
        self.takesOver = takesOver
        self.rpcListener = rpcListener
        self.dockerListeners = dockerListeners
        self.readiness = readiness
        self.supervisorPID = supervisorPID
    }

    init(argument: String) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(argument.utf8))
    }
}
