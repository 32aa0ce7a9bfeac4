import Glibc
import SystemPackage

/// The programs that were built together with the tests.
public enum BuiltPrograms {
    /// Where `ebb` and `ebbd` are: beside the running test program.
    public static let directory: FilePath = {
        var path = FilePath(resolved("/proc/self/exe"))
        path.removeLastComponent()
        return path
    }()

    public static var ebb: FilePath { directory.appending("ebb") }
    public static var ebbd: FilePath { directory.appending("ebbd") }

    private static func resolved(_ link: String) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe readlink(link, bytes.bindMemory(to: CChar.self).baseAddress!, bytes.count)
        }
        precondition(count > 0, "cannot read \(link)")
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}
