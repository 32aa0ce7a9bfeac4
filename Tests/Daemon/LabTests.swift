import SystemPackage
import TestSupport
import Testing

/// The lab of docs/lab.md, with the programs just built: real daemons, real Docker engines, real containers.
///
/// `scripts/lab` checks each step and stops at the first that is not as expected; the steps are in `scripts/lib`.
@Suite("The lab runs")
struct LabTests {
    @Test("on one machine: a file outlives its container")
    func oneHost() async throws {
        let lab = try await runLab("one-host")
        #expect(lab.output.contains("✓ the file outlived its container"))
        #expect(lab.output.contains("✓ daemons and engines ended, and left no loop device"))
    }

    @Test("between machines: written on a, found on b, one holder at a time, one zone")
    func twoHosts() async throws {
        // One host is tested with volumes as slow as EBS's; here the steps wait for each other's machines.
        let lab = try await runLab("two-hosts", environment: ["EBB_PERFORMANCE": "off"])
        #expect(lab.output.contains("✓ b found the file that a wrote"))
        #expect(lab.output.contains("✓ b is refused, and told who holds it"))
        #expect(lab.output.contains("✓ the old holder's writes fail from then on"))
        #expect(lab.output.contains("✓ a machine in another zone is refused, and both zones are named"))
    }

    private func runLab(_ part: String, environment: [String: String?] = [:]) async throws -> CommandResult {
        let root = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        let result = try await runCommand(
            root.appending("scripts/lab").string,
            ["--part", part, "--programs", BuiltPrograms.directory.string], environment: environment)
        try #require(result.status == 0, "\(result.output)\n\(result.errors)")
        return result
    }
}
