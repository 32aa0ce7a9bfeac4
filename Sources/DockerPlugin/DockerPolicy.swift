/// What Docker's users may do through the plugin.
public struct DockerPolicy: Hashable, Sendable {
    /// What becomes of a call.
    public enum Call: String, Sendable {
        case allow
        case refuse
        /// It is answered as if it had been done, and logged.
        case ignore
    }

    /// Whether `docker run -v /path`, without a name, may make a volume.
    public var allowsAnonymousVolumes: Bool
    public var create: Call
    public var remove: Call

    public init(allowsAnonymousVolumes: Bool = true, create: Call = .allow, remove: Call = .allow) {
        self.allowsAnonymousVolumes = allowsAnonymousVolumes
        self.create = create
        self.remove = remove
    }
}
