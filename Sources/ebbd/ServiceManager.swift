import Logging
import Platform
import SystemPackage

/// Who started this daemon and wants to know how it goes: systemd, for a unit of `Type=notify` (sd_notify(3)).
struct ServiceManager {
    /// `nil` when nobody asked to be told.
    private let socket: FilePath?
    private let logger: Logger

    init(environment: [String: String], logger: Logger) {
        socket = environment["NOTIFY_SOCKET"].map { FilePath($0) }
        self.logger = logger
    }

    /// What is ordered behind this daemon may start.
    func tellServing() { tell("READY=1") }

    func tellStopping() { tell("STOPPING=1") }

    /// A manager that cannot be told is no reason not to serve; it acts on its own timeout.
    private func tell(_ state: String) {
        guard let socket else { return }
        do {
            try sendDatagram(state, to: socket)
        } catch {
            logger.warning(
                "the service manager cannot be told", metadata: ["socket": "\(socket)", "cause": "\(error)"])
        }
    }
}
