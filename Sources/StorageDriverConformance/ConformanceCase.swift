// One behaviour that every storage driver must show.
//
// The suite is data, so that any test framework can run it: each case is a name and a function that returns, or
// throws a `ConformanceFailure`. Cases share a driver and may run at the same time; each makes its own volumes
// and removes them.
import Driver

public struct ConformanceCase: Sendable, CustomStringConvertible {
    public let name: String
    /// What the driver must be able to do for the case to apply.
    public let needs: Set<DriverCapability>
    public let run: @Sendable (ConformanceSubject) async throws -> Void

    init(
        _ name: String, needs: Set<DriverCapability> = [],
        run: @escaping @Sendable (ConformanceSubject) async throws -> Void
    ) {
        self.name = name
        self.needs = needs
        self.run = run
    }

    public var description: String { name }

    /// The whole suite.
    public static let all: [ConformanceCase] =
        description + creation + limits + clientTokens + names + listing + attaching + taking + detaching
        + deletion + tags + concurrency + statistics + modification + snapshots + restoring + snapshotBlocks
        + snapshotTasks
}

/// A driver that did something else than the suite asks for.
public struct ConformanceFailure: Error, CustomStringConvertible {
    public let expected: String
    public let found: String
    public let line: UInt

    public init(expected: String, found: String, line: UInt) {
        self.expected = expected
        self.found = found
        self.line = line
    }

    public var description: String { "expected \(expected), found \(found) (conformance line \(line))" }
}
