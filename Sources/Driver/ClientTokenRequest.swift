/// A request that makes something, and makes it once however often it is sent with the same token.
public protocol ClientTokenRequest {
    /// At most 64 ASCII characters. Repeating it repeats the answer, not the work. An empty one is none.
    var clientToken: String? { get set }
}

extension ClientTokenRequest {
    public var hasClientToken: Bool { clientToken.map { !$0.isEmpty } ?? false }
}
