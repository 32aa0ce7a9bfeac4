import Driver

/// A method of the RPC: its name on the wire and the values that go in and come out.
///
/// Client and server name methods by these types, so that neither spells a string or guesses a field.
public protocol RPCMethod: Sendable {
    /// `Service.Method`, as it stands in a request.
    static var name: String { get }
    /// Whether a call whose answer was lost may simply be made again.
    static var isRepeatable: Bool { get }
    /// The same, where it depends on what is asked.
    static func isRepeatable(_ parameters: Parameters) -> Bool

    associatedtype Parameters: Codable & Sendable
    associatedtype Result: Codable & Sendable
}

extension RPCMethod {
    public static var isRepeatable: Bool { false }
    public static func isRepeatable(_ parameters: Parameters) -> Bool { isRepeatable }
}

extension RPCMethod where Parameters: ClientTokenRequest {
    /// Only with a token is the repeated call the same one.
    public static func isRepeatable(_ parameters: Parameters) -> Bool { parameters.hasClientToken }
}

/// No parameters, or nothing to answer: `{}`.
public struct Empty: Hashable, Sendable, Codable {
    public init() {}
}
