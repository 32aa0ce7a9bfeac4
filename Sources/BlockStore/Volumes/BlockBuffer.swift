/// Memory for one block; all zeros at first.
@safe struct BlockBuffer: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer

    init() {
        unsafe memory = .allocate(byteCount: Int(VolumeBlock.bytes), alignment: 4096)
        zero(from: 0)
    }

    deinit { unsafe memory.deallocate() }

    func withBytes<Result, Failure>(
        _ range: Range<Int>, _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[range])))
    }

    /// Lets `body` fill the memory.
    func fill<Result, Failure>(
        _ body: (inout MutableRawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var span = unsafe MutableRawSpan(_unsafeBytes: memory)
        return try body(&span)
    }

    /// Makes the rest of the memory zeros.
    func zero(from start: Int) {
        unsafe UnsafeMutableRawBufferPointer(rebasing: memory[start...])
            .initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// Copies a range of the memory to a place in a buffer.
    func copy(_ range: Range<Int>, into buffer: inout MutableRawSpan, at place: Int) {
        unsafe buffer.withUnsafeMutableBytes { bytes in
            let target = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[place..<place + range.count])
            unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[range]))
        }
    }
}
