// A guardian as the daemon sees it: a child that is let go of by closing its input, never killed. One that is stuck in
// the kernel until a filesystem's bytes are written thaws when it comes out of there, whether or not anybody waits.

import Driver
import Platform
import Synchronization
import SystemPackage

/// Concurrency model: a thread of its own hears what the guardian says and reaps it. Each of the two outcomes has one
/// waiter at most.
final class GuardianProcess: Sendable {
    /// Settled when everything is frozen, or never will be.
    let frozen = FirstOutcome<Void>()
    /// Settled when the guardian has ended, and what it left frozen was thawed.
    let ended = FirstOutcome<Ending>()
    /// Until the guardian is let go of.
    private let input: Mutex<FileDescriptor?>

    enum Ending: Hashable, Sendable {
        /// Nothing is frozen; `lasted` says whether all was, until it was let go of.
        case thawed(lasted: Bool)
        case refused(GuardianRefusal)
        /// It was killed, or could not thaw; a second one could not either.
        case leftFrozen(StorageError)
    }

    /// - Parameter program: an executable that gives its arguments to `FreezeGuardian.run`.
    init(_ program: [String], _ order: GuardianOrder) throws(StorageError) {
        let (child, input, output) = try Self.spawn(program, order)
        self.input = Mutex(input)
        startThread { [frozen, ended] in
            let heard = Self.listen(to: output) { frozen.settle(.success(())) }
            let ending = Self.ending(heard, of: child, program, order)
            if !heard.isFrozen { frozen.settle(.failure(Self.failure(ending, order))) }
            ended.settle(.success(ending))
        }
    }

    deinit { release() }

    /// Lets the guardian thaw. Once is enough.
    func release() {
        input.withLock { $0.take() }?.closeIgnoringErrors()
    }

    private static func spawn(
        _ program: [String], _ order: GuardianOrder
    ) throws(StorageError) -> (child: ChildProcess, input: FileDescriptor, output: FileDescriptor) {
        do {
            let input = try makePipe()
            let output = try makePipe()
            defer {
                input.readEnd.closeIgnoringErrors()
                output.writeEnd.closeIgnoringErrors()
            }
            let child = try ChildProcess.spawn(
                program[0], arguments: program.dropFirst() + order.arguments, input: input.readEnd,
                output: output.writeEnd)
            return (child, input.writeEnd, output.readEnd)
        } catch {
            throw StorageError(.hostOperationFailed, "'\(program[0])' could not be run", cause: "\(error)")
        }
    }

    /// What a guardian said until it ended.
    private struct Heard {
        var isFrozen = false
        /// The one that decides.
        var last: GuardianWord?
        /// Why no more could be heard.
        var failure: (any Error)?
    }

    private static func listen(to output: FileDescriptor, whenFrozen: () -> Void) -> Heard {
        defer { output.closeIgnoringErrors() }
        var heard = Heard()
        var line: [UInt8] = []
        do {
            while let byte = try output.readByte() {
                guard byte == UInt8(ascii: "\n") else {
                    line.append(byte)
                    continue
                }
                heard.last = GuardianWord(line: String(decoding: line, as: UTF8.self))
                line = []
                if heard.last == .frozen {
                    heard.isFrozen = true
                    whenFrozen()
                }
            }
        } catch {
            heard.failure = error
        }
        return heard
    }

    private static func ending(
        _ heard: Heard, of child: ChildProcess, _ program: [String], _ order: GuardianOrder
    ) -> Ending {
        let status = Result { try child.wait() }
        switch heard.last {
        case .thawed: return .thawed(lasted: true)
        case .expired: return .thawed(lasted: false)
        case .refused(let refusal) where refusal.step != .thaw: return .refused(refusal)
        case .frozen, .refused, nil: break
        }
        if case .hold(let places, _) = order { return secondThaw(places, program) }
        return .leftFrozen(
            StorageError(
                .hostOperationFailed, "\(order.paths) could not be thawed",
                cause: "'\(program[0])' ended with \(status) and '\(heard.last?.line ?? "")'"
                    + (heard.failure.map { "; it could not be heard: \($0)" } ?? "")))
    }

    /// On the thread of the guardian that failed.
    private static func secondThaw(_ places: [FrozenPlace], _ program: [String]) -> Ending {
        let order = GuardianOrder.thaw(places)
        do throws(StorageError) {
            let (child, input, output) = try spawn(program, order)
            input.closeIgnoringErrors()
            let ending = ending(listen(to: output) {}, of: child, program, order)
            if case .thawed = ending { return .thawed(lasted: false) }
            return .leftFrozen(failure(ending, order))
        } catch {
            return .leftFrozen(error)
        }
    }

    /// Why not everything was frozen, or is thawed.
    static func failure(_ ending: Ending, _ order: GuardianOrder) -> StorageError {
        switch ending {
        case .refused(let refusal): StorageError(refusal, order)
        case .leftFrozen(let error): error
        case .thawed: StorageError(.hostOperationFailed, "\(order.paths) could not be frozen in time")
        }
    }
}
