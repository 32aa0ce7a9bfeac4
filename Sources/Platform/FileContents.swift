import SystemPackage

/// Reads a whole small file, such as a configuration or one below `/proc`.
///
/// - Parameter limit: the most bytes that are taken; what lies beyond is an error (`EFBIG`), not cut off.
public func readFile(_ path: FilePath, limit: Int = 1 << 20) throws(Errno) -> [UInt8] {
    do {
        let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
        return try file.closeAfter {
            var contents: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 16 << 10)
            while true {
                let count = try unsafe chunk.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
                if count == 0 { return contents }
                contents += chunk[..<count]
                if contents.count > limit { throw Errno.fileTooLarge }
            }
        }
    } catch let error as Errno {
        throw error
    } catch {
        preconditionFailure("FileDescriptor throws Errno only: \(error)")
    }
}
