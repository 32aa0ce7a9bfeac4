import NIOCore

/// What comes in on a connection.
enum Line: Sendable, Equatable {
    /// Without its end.
    case text([UInt8])
    /// A line over the limit; its bytes are gone.
    case tooLong
}

/// Cuts what comes in into lines, and keeps no more than one line's limit of it.
///
/// Of a line that is too long it says so as soon as that is clear, then passes over the rest. What stands after the
/// last line's end when the other side has finished sending is a line too.
struct LineDecoder: ByteToMessageDecoder {
    typealias InboundOut = Line

    private let limit: Int
    /// How many bytes of the buffer are known to hold no line's end.
    private var scanned = 0
    private var isSkipping = false

    init(limit: Int) {
        self.limit = limit
    }

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        if let line = nextLine(&buffer) {
            context.fireChannelRead(wrapInboundOut(line))
            return .continue
        }
        return .needMoreData
    }

    mutating func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        if let line = nextLine(&buffer) ?? rest(&buffer) { context.fireChannelRead(wrapInboundOut(line)) }
        return buffer.readableBytes > 0 ? .continue : .needMoreData
    }

    mutating func nextLine(_ buffer: inout ByteBuffer) -> Line? {
        while let length = lengthOfLine(buffer) {
            scanned = 0
            if isSkipping || length > limit {
                buffer.moveReaderIndex(forwardBy: length + 1)
                if !isSkipping { return .tooLong }
                isSkipping = false
            } else {
                let line = buffer.readBytes(length: length) ?? []
                buffer.moveReaderIndex(forwardBy: 1)
                return .text(line)
            }
        }
        if isSkipping {
            buffer.moveReaderIndex(to: buffer.writerIndex)
            return nil
        }
        if buffer.readableBytes > limit {
            buffer.moveReaderIndex(to: buffer.writerIndex)
            isSkipping = true
            return .tooLong
        }
        scanned = buffer.readableBytes
        return nil
    }

    private mutating func rest(_ buffer: inout ByteBuffer) -> Line? {
        scanned = 0
        guard !isSkipping, buffer.readableBytes > 0 else {
            buffer.moveReaderIndex(to: buffer.writerIndex)
            return nil
        }
        return .text(buffer.readBytes(length: buffer.readableBytes) ?? [])
    }

    private func lengthOfLine(_ buffer: ByteBuffer) -> Int? {
        let view = buffer.readableBytesView
        let start = view.index(view.startIndex, offsetBy: isSkipping ? 0 : scanned)
        return view[start...].firstIndex(of: UInt8(ascii: "\n")).map { $0 - view.startIndex }
    }
}
