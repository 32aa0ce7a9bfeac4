import Glibc

// What the tests do with megabytes, as memory: without optimization the library's generic versions take each byte in
// turn, and a minute where these take a second. In this module the compiler prefers these.

func == (left: ArraySlice<UInt8>, right: ArraySlice<UInt8>) -> Bool {
    if left.count != right.count { return false }
    return unsafe left.withUnsafeBytes { left in
        unsafe right.withUnsafeBytes { right in
            unsafe left.isEmpty || memcmp(left.baseAddress!, right.baseAddress!, left.count) == 0
        }
    }
}

func != (left: ArraySlice<UInt8>, right: ArraySlice<UInt8>) -> Bool { !(left == right) }
func == (left: [UInt8], right: [UInt8]) -> Bool { left[...] == right[...] }
func != (left: [UInt8], right: [UInt8]) -> Bool { !(left[...] == right[...]) }

extension [UInt8] {
    /// As many bytes as there were.
    mutating func replaceSubrange(_ range: Range<Int>, with bytes: ArraySlice<UInt8>) {
        precondition(range.count == bytes.count)
        unsafe withUnsafeMutableBytes { target in
            unsafe bytes.withUnsafeBytes { bytes in
                unsafe UnsafeMutableRawBufferPointer(rebasing: target[range]).copyMemory(from: bytes)
            }
        }
    }

    mutating func replaceSubrange(_ range: Range<Int>, with bytes: [UInt8]) {
        replaceSubrange(range, with: bytes[...])
    }

    mutating func replaceSubrange(_ range: Range<Int>, with byte: Repeated<UInt8>) {
        precondition(range.count == byte.count)
        guard let value = byte.first else { return }
        unsafe withUnsafeMutableBytes { target in
            unsafe _ = memset(target.baseAddress! + range.lowerBound, CInt(value), range.count)
        }
    }
}
