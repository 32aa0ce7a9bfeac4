// A directory that ends with its owner.

import FoundationEssentials
import TestSupport

final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = try makeTemporaryDirectory().string
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: path) } catch { print("\(path) is left behind: \(error)") }
    }
}
