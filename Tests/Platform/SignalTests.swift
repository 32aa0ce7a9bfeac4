import Glibc
import Platform
import Synchronization
import Testing

@Suite struct SignalTests {
    /// A library's thread that blocks nothing must not decide what a signal does to the process.
    @Test func `a signal that comes to a thread which lets it in is read all the same`() throws {
        let signal = Signal(rawValue: SIGUSR2)
        let received = Mutex<Signal?>(nil)
        let isReading = Atomic(false)
        let reader = KernelThread(name: "reader") {
            do {
                let signals = try SignalDescriptor([signal])
                isReading.store(true, ordering: .releasing)
                let next = try signals.next()
                received.withLock { $0 = next }
            } catch {
                Issue.record(error)
            }
        }
        reader.start()
        while !isReading.load(ordering: .acquiring) { usleep(1_000) }
        let other = KernelThread(name: "other") {
            var nothing = sigset_t()
            unsafe sigemptyset(&nothing)
            unsafe pthread_sigmask(SIG_SETMASK, &nothing, nil)
            raise(signal.rawValue)
        }
        other.start()
        other.join()
        reader.join()
        #expect(received.withLock { $0 } == signal)
    }
}
