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
            let (isFrozen, last) = Self.listen(to: output) { frozen.settle(.success(())) }
            let ending = Self.ending(last, of: child, program, order)
            if !isFrozen { frozen.settle(.failure(Self.failure(ending, order))) }
            ended.settle(.success(ending))
        }
    }

    deinit { release() }

    /// Lets the guardian thaw. Once is enough.
    func release() {
        let input = input.withLock { $0.take() }
        // What is closed here carries nothing; the descriptor is gone also when the kernel reports an error.
        _ = try? input?.close()
    }

    private static func spawn(
        _ program: [String], _ order: GuardianOrder
    ) throws(StorageError) -> (child: ChildProcess, input: FileDescriptor, output: FileDescriptor) {
        do {
            let input = try makePipe()
            let output = try makePipe()
            defer {
                _ = try? input.readEnd.close()
                _ = try? output.writeEnd.close()
            }
            let child = try ChildProcess.spawn(
                program[0], arguments: program.dropFirst() + order.arguments, input: input.readEnd,
                output: output.writeEnd)
            return (child, input.writeEnd, output.readEnd)
        } catch {
            throw StorageError(.hostOperationFailed, "'\(program[0])' could not be run", cause: "\(error)")
        }
    }

    /// What the guardian says until it ends; the last word decides.
    private static func listen(
        to output: FileDescriptor, whenFrozen: () -> Void
    ) -> (isFrozen: Bool, last: GuardianWord?) {
        var isFrozen = false
        var last: GuardianWord?
        var line: [UInt8] = []
        // A pipe that cannot be read is as good as a guardian that says no more.
        while let byte = try? output.readByte() {
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            last = GuardianWord(line: String(decoding: line, as: UTF8.self))
            line = []
            if last == .frozen {
                isFrozen = true
                whenFrozen()
            }
        }
        _ = try? output.close()
        return (isFrozen, last)
    }

    private static func ending(
        _ last: GuardianWord?, of child: ChildProcess, _ program: [String], _ order: GuardianOrder
    ) -> Ending {
        let status = Result { try child.wait() }
        switch last {
        case .thawed: return .thawed(lasted: true)
        case .expired: return .thawed(lasted: false)
        case .refused(let refusal) where refusal.step != .thaw: return .refused(refusal)
        case .frozen, .refused, nil: break
        }
        if case .hold(let places, _) = order { return secondThaw(places, program) }
        return .leftFrozen(
            StorageError(
                .hostOperationFailed, "\(order.paths) could not be thawed",
                cause: "'\(program[0])' ended with \(status) and '\(last?.line ?? "")'"))
    }

    /// On the thread of the guardian that failed.
    private static func secondThaw(_ places: [FrozenPlace], _ program: [String]) -> Ending {
        let order = GuardianOrder.thaw(places)
        do throws(StorageError) {
            let (child, input, output) = try spawn(program, order)
            _ = try? input.close()
            let last = listen(to: output) {}.last
            let ending = ending(last, of: child, program, order)
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
