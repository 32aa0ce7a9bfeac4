import Platform
import Synchronization
import Testing

@Suite struct KernelThreadTests {
    /// proc_pid_stat(5): 19 is the nice value, 41 the policy.
    @Test func aBackgroundThreadLeavesPrecedenceToOthers() throws {
        let fields = Mutex<[Substring]>([])
        let thread = KernelThread(name: "background") {
            KernelThread.becomeBackground()
            do {
                let text = String(decoding: try readFile("/proc/thread-self/stat", limit: 4096), as: UTF8.self)
                fields.withLock { $0 = text.split(separator: " ") }
            } catch {
                Issue.record(error)
            }
        }
        thread.start()
        thread.join()
        let found = fields.withLock { $0 }
        try #require(found.count > 40)
        #expect(found[18] == "10")
        #expect(found[40] == "3", "SCHED_BATCH")
    }
}
