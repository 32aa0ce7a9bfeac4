import CFuse
import Glibc
import Platform
import SystemPackage

/// What a lane does with each request: ask the export table, act through a volume's door, answer.
///
/// Every data operation can be done twice: after a takeover the kernel hands over again what was in flight.
extension Lane {
    func read(_ request: consuming Request, _ inode: InodeNumber, count: Int, at offset: Int64) {
        let count = min(count, Lane.maximumTransferBytes)
        do throws(Errno) {
            guard inode.kind == .attachment else {
                var buffer = unsafe MutableRawSpan(_unsafeBytes: replyBuffer)
                let got = try exports.read(inode, into: &buffer, count: count, at: offset)
                return unsafe request.reply(memory: UnsafeRawBufferPointer(rebasing: replyBuffer[..<got]))
            }
            guard var io = try door(of: inode).beginRead(count: count, at: offset) else {
                return unsafe request.reply(memory: UnsafeRawBufferPointer(rebasing: replyBuffer[..<0]))
            }
            guard io.isDelayed, let held = delays.memory.take(io.count) else {
                return answer(request, io)
            }
            // A block that came is put into the file at once: there is time, and others may want it.
            _ = try held.fill { (buffer) throws(Errno) in try io.read(into: &buffer) }
            delays.send(DelayedReply(request, io, .read(held)))
        } catch {
            request.fail(error)
        }
    }

    /// Answers a read from this thread, when it is due.
    private func answer(_ request: consuming Request, _ io: consuming AdmittedIO) {
        do throws(Errno) {
            let count = io.count
            var buffer = unsafe MutableRawSpan(_unsafeBytes: replyBuffer)
            var unwritten = try io.read(into: &buffer)
            // As above.
            if io.isDelayed { unwritten = nil }
            delays.wait(for: &io)
            unsafe request.reply(memory: UnsafeRawBufferPointer(rebasing: replyBuffer[..<count]))
            _ = consume io
            _ = consume unwritten
        } catch {
            request.fail(error)
        }
    }

    func write(
        _ request: consuming Request, _ inode: InodeNumber, _ bytes: UnsafeRawBufferPointer, at offset: Int64
    ) {
        do throws(Errno) {
            guard var io = try door(of: inode).beginWrite(count: bytes.count, at: offset) else {
                return request.reply(written: 0)
            }
            try io.write(unsafe RawSpan(_unsafeBytes: bytes))
            delays.send(DelayedReply(request, io, .written))
        } catch {
            request.fail(error)
        }
    }

    func synchronize(_ request: consuming Request, _ inode: InodeNumber) {
        do throws(Errno) {
            // What is only for looking has nothing to write.
            if inode.kind == .attachment { try door(of: inode).flush() }
            request.succeed()
        } catch {
            request.fail(error)
        }
    }

    func changeSpace(
        _ request: consuming Request, _ inode: InodeNumber, mode: Int32, at offset: Int64, length: Int64
    ) {
        do throws(Errno) {
            guard let change = FileDescriptor.SpaceChange(mode: mode) else { throw .notSupported }
            try door(of: inode).changeSpace(change, at: offset, length: length)
            request.succeed()
        } catch {
            request.fail(error)
        }
    }

    func seek(_ request: consuming Request, _ inode: InodeNumber, from offset: Int64, whence: Int32) {
        do throws(Errno) {
            request.reply(offset: try seek(inode, from: offset, whence: whence))
        } catch {
            request.fail(error)
        }
    }

    private func seek(_ inode: InodeNumber, from offset: Int64, whence: Int32) throws(Errno) -> Int64 {
        guard let content = FileDescriptor.Content(whence: whence) else { throw .invalidArgument }
        if inode.kind == .attachment { return try door(of: inode).next(content, from: offset) }
        return try exports.withVolume(inode) { (file) throws(Errno) in
            try file.next(content, from: offset)
        }
    }

    func open(_ request: consuming Request, _ inode: InodeNumber, writes: Bool) {
        do throws(Errno) {
            if inode.kind == .attachment {
                _ = try door(of: inode)
            } else if writes {
                // A volume is written only through an attachment.
                throw .readOnlyFileSystem
            } else {
                _ = try exports.attributes(of: inode)
            }
            request.replyOpened()
        } catch {
            request.fail(error)
        }
    }

    func lookUp(_ request: consuming Request, _ name: String, in parent: InodeNumber) {
        do throws(Errno) {
            request.reply(entry: try exports.lookUp(name, in: parent), owner: owner)
        } catch {
            request.fail(error)
        }
    }

    func readDirectory(_ request: consuming Request, _ inode: InodeNumber, room: Int, after cookie: UInt64) {
        do throws(Errno) {
            // The shortest entry takes 32 bytes: no more than these can fit.
            let entries = try exports.entries(of: inode, after: cookie, limit: max(1, room / 32))
            unsafe request.reply(entries: entries, room: room, buffer: replyBuffer)
        } catch {
            request.fail(error)
        }
    }

    func filesystemStatus(_ request: consuming Request) {
        do throws(Errno) {
            request.reply(filesystem: try exports.store.filesystemStatus())
        } catch {
            request.fail(error)
        }
    }

    func attributes(_ request: consuming Request, _ inode: InodeNumber) {
        do throws(Errno) {
            request.reply(attributes: try exports.attributes(of: inode), owner: owner)
        } catch {
            request.fail(error)
        }
    }

    /// Nothing can be changed: a volume's size is the region's affair, and its times are the file's. Setting
    /// what is so already, and setting times, is no error, so that `touch` and `truncate` to the same size work.
    func setAttributes(
        _ request: consuming Request, _ inode: InodeNumber, sizeBytes: Int64?, changesOwnerOrMode: Bool
    ) {
        do throws(Errno) {
            let attributes = try exports.attributes(of: inode)
            if changesOwnerOrMode { throw .notPermitted }
            if let sizeBytes, sizeBytes != attributes.sizeBytes { throw .notPermitted }
            request.reply(attributes: attributes, owner: owner)
        } catch {
            request.fail(error)
        }
    }

    func xattr(_ request: consuming Request, _ inode: InodeNumber, name: String, room: Int) {
        guard let value = exports.xattrs(of: inode)[name] else { return request.fail(.noData) }
        request.reply(xattr: Array(value.utf8), room: room)
    }

    func xattrNames(_ request: consuming Request, _ inode: InodeNumber, room: Int) {
        let names = exports.xattrs(of: inode).keys.sorted().map { $0 + "\0" }.joined()
        request.reply(xattr: Array(names.utf8), room: room)
    }
}

extension FileDescriptor.Content {
    fileprivate init?(whence: Int32) {
        switch whence {
        case FileDescriptor.Content.data.whence: self = .data
        case FileDescriptor.Content.hole.whence: self = .hole
        default: return nil
        }
    }
}
