// Snapshots' blocks over a real socket, with a real region behind it.
import BlockStore
import Driver
import Foundation
import Platform
import RPC
import RPCServer
import TestSupport
import Testing

@Suite struct BlockAccessTests {
    /// A block none of whose bytes follow from others, so that its line is as long as any.
    private static func block(seed: UInt64) -> SnapshotBlock {
        let random = SeededRandom(seed: seed)
        var data = Data(capacity: SnapshotBlock.bytes)
        while data.count < SnapshotBlock.bytes {
            let word = random.next()
            data.append(contentsOf: (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) })
        }
        return SnapshotBlock(data: data, checksum: checksum(of: data))
    }

    private static func checksum(of data: Data) -> String {
        Data(Digest(of: data.bytes).bytes).base64EncodedString()
    }

    /// A server, and a snapshot that is being written behind it.
    private func withUpload(
        _ body: (RemoteDriver, RawClient, SnapshotID) async throws -> Void
    ) async throws {
        try await withServer { server in
            let remote = server.remote()
            let snapshot = try await remote.startSnapshot(StartSnapshotRequest(volumeSizeGiB: 1))
            try await body(remote, try server.connect(), snapshot.id)
        }
    }

    @Test("whole blocks are put and got, byte for byte, and a volume can be made of them")
    func roundTrip() async throws {
        try await withUpload { remote, _, id in
            let blocks = [(0, Self.block(seed: 1)), (7, Self.block(seed: 2)), (2047, Self.block(seed: 3))]
            for (index, block) in blocks {
                try await remote.putSnapshotBlock(
                    PutSnapshotBlockRequest(snapshotID: id, index: SnapshotBlockIndex(index), block: block))
            }
            let digests = blocks.flatMap { Digest(of: $0.1.data.bytes).bytes }
            let sealed = try await remote.completeSnapshot(
                CompleteSnapshotRequest(
                    snapshotID: id, changedBlocksCount: 3, checksum: Self.checksum(of: Data(digests))))
            #expect(sealed.state == .pending)
            try await wait(for: .completed, of: id, remote)
            let page = try await remote.listSnapshotBlocks(SnapshotBlockQuery(snapshotID: id))
            #expect(page.blocks.map(\.index.rawValue) == [0, 7, 2047])
            for (entry, block) in zip(page.blocks, blocks) {
                let got = try await remote.getSnapshotBlock(
                    GetSnapshotBlockRequest(snapshotID: id, index: entry.index, token: entry.token))
                #expect(got == block.1)
            }
            let volume = try await remote.createVolume(
                CreateVolumeRequest(zone: "us-east-1b", type: .gp3, snapshotID: id))
            #expect(volume.snapshotID == id && volume.sizeGiB == 1)
        }
    }

    private func wait(for state: Snapshot.State, of id: SnapshotID, _ remote: RemoteDriver) async throws {
        for _ in 0..<1_500 {
            let found = try await remote.describeSnapshots(SnapshotQuery(ids: [id])).snapshots
            if found.first?.state == state { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("\(id) is not \(state)")
    }

    @Test("a put that is no put is answered with what is wrong, and the connection goes on")
    func badPuts() async throws {
        try await withUpload { remote, client, id in
            let block = Self.block(seed: 4)
            let base64 = block.data.base64EncodedString()
            func put(_ parameters: String) async throws -> JSONValue {
                let answer = try await client.call(
                    #"{"jsonrpc":"2.0","id":1,"method":"Ebb.PutSnapshotBlock","params":\#(parameters)}"#)
                return try JSONValue(parsing: answer)["error"]
            }
            let whole = #""data":"\#(base64)","checksum":"\#(block.checksum)""#
            for missing in [
                #"{"index":0,"block":{\#(whole)}}"#, #"{"snapshotID":"\#(id)","block":{\#(whole)}}"#,
                #"{"snapshotID":"\#(id)","index":0}"#, #"{"snapshotID":"\#(id)","index":0,"block":{}}"#,
                #"{"snapshotID":"\#(id)","index":0,"block":{"data":"\#(base64)"}}"#,
                #"{"snapshotID":"\#(id)","index":0,"block":{"data":"no base64!","checksum":"c"}}"#,
                #"{"snapshotID":"\#(id)","index":0,"block":{"data":"\#(base64.dropLast(3))","checksum":"c"}}"#,
                #"{"snapshotID":"\#(id)","index":"0","block":{\#(whole)}}"#,
                #"{"snapshotID":"\#(id)","index":0.5,"block":{\#(whole)}}"#,
            ] {
                #expect(try await put(missing)["code"] == .number(-32602), "\(missing.prefix(80))")
            }
            for refused in [
                #"{"snapshotID":"\#(id)","index":2048,"block":{\#(whole)}}"#,
                #"{"snapshotID":"\#(id)","index":-1,"block":{\#(whole)}}"#,
                #"{"snapshotID":"\#(id)","index":0,"block":{"data":"AAAA","checksum":"\#(block.checksum)"}}"#,
                #"{"snapshotID":"\#(id)","index":0,"block":{"data":"\#(base64)","checksum":"AAAA"}}"#,
            ] {
                let error = try await put(refused)
                #expect(error["code"] == .number(3))
                #expect(error["data", "awsCode"] == .string("ValidationException"), "\(error)")
            }
            let long = String(repeating: "A", count: RPCServer.lineLimit + 1)
            #expect(try await client.call(long).contains("longer than \(RPCServer.lineLimit) bytes"))
            let request = PutSnapshotBlockRequest(snapshotID: id, index: SnapshotBlockIndex(0), block: block)
            try await remote.putSnapshotBlock(request)
            let seal = CompleteSnapshotRequest(snapshotID: id, changedBlocksCount: 1)
            #expect(try await remote.completeSnapshot(seal).state == .pending, "nothing else was put")
        }
    }

    @Test("refusals arrive with their codes and reasons")
    func refusals() async throws {
        try await withUpload { remote, _, id in
            let request = GetSnapshotBlockRequest(snapshotID: id, index: SnapshotBlockIndex(0), token: "AAAA")
            func error(_ body: () async throws -> some Sendable) async -> StorageError? {
                do {
                    Issue.record("not refused: \(try await body())")
                } catch let error as StorageError {
                    return error
                } catch {
                    Issue.record("\(error)")
                }
                return nil
            }
            let pending = await error { try await remote.getSnapshotBlock(request) }
            #expect(pending?.code == .validation && pending?.cause == "INVALID_SNAPSHOT_ID")
            let unknown = await error {
                try await remote.listChangedBlocks(ChangedBlockQuery(secondSnapshotID: "snap-00000000"))
            }
            #expect(unknown?.code == .resourceNotFound && unknown?.cause == "SNAPSHOT_NOT_FOUND")
            _ = try await remote.completeSnapshot(CompleteSnapshotRequest(snapshotID: id, changedBlocksCount: 0))
            try await wait(for: .completed, of: id, remote)
            let token = await error { try await remote.getSnapshotBlock(request) }
            #expect(token?.cause == "INVALID_BLOCK_TOKEN")
        }
    }
}
