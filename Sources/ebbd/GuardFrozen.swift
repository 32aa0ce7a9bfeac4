import ArgumentParser
import Glibc
import Host
import Platform

/// The daemon's own child while filesystems are frozen.
struct GuardFrozen: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "guard-frozen", shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough) var arguments: [String] = []

    func run() {
        Glibc.exit(FreezeGuardian.run(arguments, clock: SystemClock()))
    }
}
