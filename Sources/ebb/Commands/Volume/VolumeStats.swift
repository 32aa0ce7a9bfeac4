import ArgumentParser
import Driver
import Platform
import RPC
import SystemPackage

/// `volume stats`: what volumes do just now, and why they are as slow as they are.
struct VolumeStats: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Show what volumes do, and what holds them back.")

    @OptionGroup var names: VolumeNames
    @Flag(name: .customLong("watch"), help: "Go on each second until Ctrl-C, for one volume.") var watch = false
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run(_ session: Session) throws {
        let volumes = try names.resolve(session).map(\.volume)
        guard watch else { return try session.print(StatisticsAnswer.answer(try oneSecond(volumes, session)), output) }
        guard volumes.count == 1, let volume = volumes.first else {
            throw ValidationError("--watch takes one volume, not \(volumes.count)")
        }
        try follow(volume, session)
    }

    private func oneSecond(
        _ volumes: [Volume], _ session: Session
    ) throws -> [(volume: Volume, interval: StatisticsInterval)] {
        let start = try session.statistics(volumes.map(\.id))
        waitInThisThread(untilUptimeNanoseconds: SystemClock().uptimeNanoseconds() + 1_000_000_000)
        let end = try session.statistics(volumes.map(\.id))
        return zip(volumes, zip(start, end)).compactMap { volume, pair in
            StatisticsInterval(from: pair.0, to: pair.1).map { (volume, $0) }
        }
    }

    private func follow(_ volume: Volume, _ session: Session) throws {
        let signals = try SignalDescriptor([.interrupt, .terminate, .hangUp])
        let session = session.interruptible(by: signals)
        var view = StatisticsView(volume: volume)
        var former = try session.statistics(volume.id)
        /// The view after another second; `nil` after a signal.
        func next() throws -> StatisticsView? {
            guard try waitUntilReadable([signals.descriptor], timeout: .seconds(1)).isEmpty else { return nil }
            let latest = try session.statistics(volume.id)
            if let interval = StatisticsInterval(from: former, to: latest) { view.take(interval) }
            former = latest
            return view
        }
        if isTerminal(.standardOutput) {
            try Screen.show { try next()?.frame }
        } else {
            while let view = try next() { writeOut(view.line + "\n") }
        }
    }
}

extension Session {
    func statistics(_ ids: [VolumeID]) throws(StorageError) -> [VolumeStatistics] {
        // Nobody is asked for nothing: no ids would be all volumes.
        if ids.isEmpty { return [] }
        return try call(Ebb.GetVolumeStatistics.self, .init(ids: ids), doing: "reading statistics").volumes
    }

    func statistics(_ id: VolumeID) throws(StorageError) -> VolumeStatistics {
        guard let statistics = try statistics([id]).first else {
            throw StorageError(.internalError, "The daemon gave no statistics of \(id)")
        }
        return statistics
    }
}
