import Platform
import SystemPackage

extension FileDescriptor {
    /// What lies at an offset; fewer bytes only at the file's end.
    func bytes(at offset: Int64, count: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var elements = bytes.mutableSpan
        var span = unsafe elements.mutableBytes
        let found = try readAll(into: &span, range: 0..<count, at: offset)
        return found == count ? bytes : Array(bytes.prefix(found))
    }
}
