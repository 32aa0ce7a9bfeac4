// What a process that dies while it exports leaves at the file's place, and that the next export goes on with it.
import Driver
import Foundation
import Platform
import SystemPackage
import Testing

@testable import Emulator

extension SnapshotCrashTests {
    @Test("an export that dies before any step leaves a file without an end, and the next one makes it whole")
    func exportGoesOn() async throws {
        try await withPreparedState { state in
            let whole = try readFile(state.appending("exported"), limit: 1 << 30)
            try await forEachStep(of: .export, state) { region, comment in
                let file = region.directory.appending("copy")
                let left = FileManager.default.contents(atPath: file.string).map { [UInt8]($0) } ?? []
                #expect(left == Array(whole.prefix(left.count)), comment)
                try await exportAgain(region, file, whole, comment)
            }
        }
    }

    @Test("what a loss of power makes of a file without an end is put right", arguments: [SystemRandom().next()])
    func exportAfterPowerLoss(seed: UInt64) async throws {
        let random = SeededRandom(seed: seed)
        try await withPreparedState { state in
            let whole = try readFile(state.appending("exported"), limit: 1 << 30)
            try await forEachStep(of: .export, state, boot: "boot-2") { region, comment in
                let file = region.directory.appending("copy")
                var left = FileManager.default.contents(atPath: file.string).map { [UInt8]($0) } ?? []
                let isDurable = left.count >= whole.count - 40
                if !isDurable, !left.isEmpty {
                    left.removeLast(Int(random.next() % UInt64(left.count)))
                    let start = Int(random.next() % UInt64(left.count))
                    // Pages that never reached the disk.
                    for place in start..<min(start + 10_000, left.count) where place >= 80 { left[place] = 0 }
                    try Data(left).write(to: URL(filePath: file.string))
                }
                try await exportAgain(region, file, whole, "\(comment), seed \(seed)")
            }
        }
    }

    private func exportAgain(
        _ region: TestRegion, _ file: FilePath, _ whole: [UInt8], _ comment: Comment
    ) async throws {
        let first = try #require(
            try await region.driver.describeSnapshots(SnapshotQuery(names: ["first"])).snapshots.first)
        let task = try await region.ended(
            SnapshotTaskRequest(action: .export, snapshotID: first.id, location: file.string))
        #expect(task.state == .completed, comment)
        #expect(try readFile(file, limit: 1 << 30) == whole, comment)
        try await region.checkStore(comment)
    }
}
