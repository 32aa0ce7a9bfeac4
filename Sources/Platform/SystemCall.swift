import Glibc
import SystemPackage

/// Makes a system call that reports failure as -1 and `errno`: repeats it while signals interrupt it, and
/// reads `errno` before anything else can change it.
@inline(__always) @discardableResult
func systemCall<Value: FixedWidthInteger>(_ call: () -> Value) throws(Errno) -> Value {
    while true {
        let value = call()
        if value != -1 { return value }
        let error = Errno(rawValue: errno)
        if error != .interrupted { throw error }
    }
}

/// Makes a call of `CPlatform`, which reports failure as `-errno`: repeats it while signals interrupt it.
@inline(__always) @discardableResult
func shimCall(_ call: () -> Int32) throws(Errno) -> Int32 {
    while true {
        let value = call()
        if value >= 0 { return value }
        if value != -EINTR { throw Errno(rawValue: -value) }
    }
}
