// The reference book in its file: replaced as a whole and durable before anybody acts on a change.

import Driver
import Logging
import Platform
import Synchronization
import SystemPackage

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

final class ReferenceStore: Sendable {
    private let path: FilePath
    private let book: Mutex<ReferenceBook>

    /// Reads the file, or begins with an empty book when there is none.
    ///
    /// A damaged file is set aside under `.damaged`, said in the log, and begun anew: what is mounted is found in
    /// mountinfo. One that a newer program wrote is refused.
    init(path: String, logger: Logger) throws {
        self.path = FilePath(path)
        book = Mutex(try Self.load(self.path, logger: logger))
    }

    /// The book as it is now.
    var current: ReferenceBook { book.withLock { $0 } }

    /// Changes the book, in the file first; when that fails, nothing has changed.
    ///
    /// The file is small and on the host's own disk, so writing it may block the calling thread.
    func update(_ change: (inout ReferenceBook) -> Void) throws {
        try book.withLock { book in
            var changed = book
            change(&changed)
            if changed == book { return }
            try save(changed)
            book = changed
        }
    }

    private func save(_ book: ReferenceBook) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        do {
            try replaceFile(path, with: Array(try encoder.encode(book)))
        } catch {
            throw StorageError(
                .hostOperationFailed, "The references of mounts could not be saved in '\(path)'", cause: "\(error)")
        }
    }

    private struct Version: Decodable { var version: Int }

    private static func load(_ path: FilePath, logger: Logger) throws -> ReferenceBook {
        let contents: Data
        do {
            contents = Data(try readFile(path, limit: 64 << 20))
        } catch Errno.noSuchFileOrDirectory {
            return ReferenceBook()
        } catch {
            throw StorageError(.hostOperationFailed, "'\(path)' could not be read", cause: "\(error)")
        }
        do {
            let version = try JSONDecoder().decode(Version.self, from: contents).version
            guard version <= ReferenceBook.currentVersion else { throw tooNew(path, version) }
            return try JSONDecoder().decode(ReferenceBook.self, from: contents)
        } catch let error as DecodingError {
            let aside = FilePath(path.string + ".damaged")
            logger.error("'\(path)' is damaged, it is kept as '\(aside)': \(error)")
            try renameFile(path, to: aside)
            return ReferenceBook()
        }
    }

    private static func tooNew(_ path: FilePath, _ version: Int) -> StorageError {
        StorageError(
            .incorrectState, "'\(path)' has version \(version), this program knows \(ReferenceBook.currentVersion)",
            advice: "run the version of Ebb that wrote it, or a newer one")
    }
}
