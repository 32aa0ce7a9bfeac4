import TestSupport
import Testing

/// Gives the tests of a suite one machine with a Docker engine and an `ebbd`, and ends it after the last of them.
struct DockerEngineScope: SuiteTrait, TestScoping {
    @TaskLocal static var current: DockerEngine?

    /// The suite's machine.
    static func engine() throws -> DockerEngine {
        try #require(current, "the suite lacks the trait .dockerEngine")
    }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
    ) async throws {
        let engine = try await DockerEngine()
        let result: Result<Void, any Error>
        do {
            try await engine.startDaemon("--docker-name", "ebb", "--docker-name", "rexray", "--detach-linger", "1s")
            try await Self.$current.withValue(engine) { try await body() }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try await engine.stop()
        try result.get()
    }
}

extension Trait where Self == DockerEngineScope {
    static var dockerEngine: DockerEngineScope { DockerEngineScope() }
}
