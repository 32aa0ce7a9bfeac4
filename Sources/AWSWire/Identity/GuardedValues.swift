/// Values by name, some of which are secrets: environment variables, a profile, a token. Whoever prints them gets
/// nothing.
struct GuardedValues: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    private var values: [String: String]

    init(_ values: [String: String] = [:]) { self.values = values }

    /// What is empty counts as not set.
    subscript(name: String) -> String? {
        get { values[name].flatMap { $0.isEmpty ? nil : $0 } }
        set { values[name] = newValue }
    }

    func isTrue(_ name: String) -> Bool { self[name]?.lowercased() == "true" }

    var description: String { "values that are not shown" }

    var customMirror: Mirror { Mirror(self, children: []) }
}
