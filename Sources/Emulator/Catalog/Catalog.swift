// The one truth about what exists: an SQLite database, one file in the state directory.
//
// A durable commit that returned has reached the disk (WAL with synchronous=FULL), and all before it; one that
// need not be durable outlives the process, but not the loss of power. Commits that wait for the disk at the
// same time share one transaction, each in its own savepoint, so that volumes do not queue behind each other's
// fsync. The database is locked exclusively: a second daemon on the same directory is refused.
import Dispatch
import Driver
import GRDB
import Synchronization
import SystemPackage

final class Catalog: Sendable {
    private struct Commit: Sendable {
        let changes: [CatalogChange]
        let durable: Bool
        let answer: CheckedContinuation<Void, any Error>
    }

    private struct Waiting {
        var commits: [Commit] = []
        var isDraining = false
    }

    private let database: DatabaseQueue
    private let waiting = Mutex(Waiting())
    private let writer = DispatchQueue(label: "ebb.catalog")

    /// Opens or makes the catalog and brings it to this version's shape.
    init(path: FilePath) throws(StorageError) {
        do {
            database = try DatabaseQueue(path: path.string, configuration: Self.configuration)
            try Self.refuseNewer(database, path: path)
            try CatalogSchema.migrator.migrate(database)
        } catch let error as StorageError {
            throw error
        } catch {
            throw .catalog(path, error)
        }
    }

    func contents() throws -> CatalogContents {
        try database.read(CatalogContents.init(reading:))
    }

    /// One reading of what was committed; commits wait for its end.
    func reading<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try database.read(body)
    }

    /// Applies all changes or none.
    func commit(_ changes: [CatalogChange], durable: Bool = true) async throws {
        if changes.isEmpty { return }
        try await withCheckedThrowingContinuation { answer in
            let mustDrain = waiting.withLock { waiting in
                waiting.commits.append(Commit(changes: changes, durable: durable, answer: answer))
                defer { waiting.isDraining = true }
                return !waiting.isDraining
            }
            if mustDrain { writer.async { self.drain() } }
        }
    }

    /// One of the connection's settings, as SQLite says it.
    func pragma(_ name: String) throws -> String? {
        try database.read { try String.fetchOne($0, sql: "PRAGMA \(name)") }
    }

    /// Closes the database; later commits fail.
    func close() throws {
        try database.close()
    }

    private func drain() {
        while let batch = nextBatch() {
            let results = write(batch)
            for (commit, result) in zip(batch, results) { commit.answer.resume(with: result) }
        }
    }

    private func nextBatch() -> [Commit]? {
        waiting.withLock { waiting in
            if waiting.commits.isEmpty {
                waiting.isDraining = false
                return nil
            }
            defer { waiting.commits = [] }
            return waiting.commits
        }
    }

    private func write(_ batch: [Commit]) -> [Result<Void, any Error>] {
        do {
            return try database.writeWithoutTransaction { database in
                let synchronous = batch.contains(where: \.durable) ? "FULL" : "NORMAL"
                try database.execute(sql: "PRAGMA synchronous = \(synchronous)")
                var results: [Result<Void, any Error>] = []
                try database.inTransaction(.immediate) {
                    results = batch.map { commit in Result { try Self.apply(commit.changes, to: database) } }
                    return .commit
                }
                return results
            }
        } catch {
            return batch.map { _ in .failure(StorageError.catalogWrite(error)) }
        }
    }

    private static func apply(_ changes: [CatalogChange], to database: Database) throws {
        do {
            try database.inSavepoint {
                for change in changes { try change.apply(to: database) }
                return .commit
            }
        } catch {
            throw StorageError.catalogWrite(error)
        }
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "ebb.catalog"
        configuration.prepareDatabase { database in
            try database.execute(
                sql: """
                    PRAGMA locking_mode = EXCLUSIVE;
                    PRAGMA journal_mode = WAL;
                    PRAGMA synchronous = FULL;
                    """)
        }
        return configuration
    }

    private static func refuseNewer(_ database: DatabaseQueue, path: FilePath) throws {
        let migrator = CatalogSchema.migrator
        let unknown = try database.read { database in
            try migrator.appliedIdentifiers(database).subtracting(migrator.migrations).sorted()
        }
        guard unknown.isEmpty else {
            throw StorageError(
                .incorrectState, "The catalog \(path) was written by a newer version of Ebb.",
                cause: "it has the unknown changes: \(unknown.joined(separator: "; "))",
                advice: "start that version, or use another state directory")
        }
    }
}

extension StorageError {
    fileprivate static func catalog(_ path: FilePath, _ error: any Error) -> Self {
        switch (error as? DatabaseError)?.resultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            Self(
                .incorrectState, "The catalog \(path) is in use by another daemon.",
                advice: "stop that daemon, or use another state directory")
        case .SQLITE_NOTADB, .SQLITE_CORRUPT:
            Self(
                .internalError, "The catalog \(path) is damaged.", cause: "\(error)",
                advice: "restore it from a copy, or move it away to start with an empty region")
        default:
            Self(.internalError, "The catalog \(path) cannot be opened.", cause: "\(error)")
        }
    }

    fileprivate static func catalogWrite(_ error: any Error) -> Self {
        let isFull = (error as? DatabaseError)?.resultCode == .SQLITE_FULL
        return Self(
            isFull ? .insufficientCapacity : .internalError, "The catalog could not be written.",
            cause: "\(error)", advice: isFull ? "free space in the state directory" : nil)
    }
}
