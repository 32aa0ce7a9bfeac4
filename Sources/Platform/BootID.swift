import SystemPackage

/// What this run of the kernel is called: what the page cache holds is as good as written for as long as it stays the
/// same, and lost with it.
///
/// The kernel's `/proc/sys/kernel/random/boot_id`.
public func bootID() throws(Errno) -> String {
    let text = String(decoding: try readFile("/proc/sys/kernel/random/boot_id"), as: UTF8.self)
    return String(text.prefix { $0 != "\n" })
}
