/// Why it is not known who asks, or from where. One line, which never holds a secret.
public struct IdentityError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: Hashable, Sendable {
        /// Nothing that was looked at has it.
        case notFound
        /// A setting without the one that belongs to it.
        case incomplete
        /// A file that cannot be read.
        case unreadable
        /// A variable, file or answer that is not what it should be.
        case malformed
        /// A profile, or its section of services, that was named and is nowhere.
        case noSection
        /// A way to credentials that others know.
        case notSupported
        /// A service that gives credentials, or tells of the machine, and cannot be reached or refuses.
        case refused
    }

    public let code: Code
    /// What is wrong, where, and what to do.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
