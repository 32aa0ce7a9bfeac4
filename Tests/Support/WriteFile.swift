import SystemPackage

/// Writes a file, which programs that other tests start meanwhile do not inherit: they would keep a mount busy.
/// (Foundation's files are inherited.)
public func writeFile(_ path: FilePath, _ text: String, durably: Bool = false) throws {
    let file = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
    try file.closeAfter {
        _ = try file.writeAll(text.utf8)
        if durably { try file.synchronize() }
    }
}
