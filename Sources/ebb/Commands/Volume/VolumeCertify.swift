import ArgumentParser
import Driver
import Platform
import RPC
import SystemPackage

/// `volume certify`: drives a volume as programs do, and says how true to EBS it is.
struct VolumeCertify: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "certify", abstract: "Measure an attached volume beside what EBS would give.",
        discussion: """
            Reads, or with --write writes zeros, past the page cache at several sizes and depths. What this machine can \
            carry at all is measured first, on a volume of the type local that is made for it and removed again. Exits \
            with 0 only when every load was given what EBS would give.
            """)

    /// How long a load runs before it is measured.
    private static let warmUpSeconds = 0.7
    /// How long this machine itself is measured with each load.
    private static let machineSeconds = 0.5

    @OptionGroup var names: VolumeNames
    @Option(name: .customLong("seconds"), help: "How long each load is measured.") var seconds = 6
    @Flag(name: .customLong("write"), help: "Write instead of reading; the volume must be blank.") var write = false
    @Flag(name: .customLong("overwritefs"), help: "Write although what is on the volume is lost.") var overwrite = false
    @OptionGroup var output: OutputOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func validate() throws {
        guard (1...600).contains(seconds) else { throw ValidationError("--seconds is from 1 to 600") }
        if overwrite, !write { throw ValidationError("--overwritefs goes with --write") }
    }

    func run(_ session: Session) throws {
        let volumes = try names.resolve(session)
        guard volumes.count == 1, let host = volumes.first else {
            throw ValidationError("certify takes one volume, not \(volumes.count)")
        }
        let signals = try SignalDescriptor([.interrupt, .terminate, .hangUp])
        let session = session.interruptible(by: signals)
        let target = try CertifiedVolume(host, session)
        let isBlank = write ? try target.checkWritable(overwrite: overwrite) : false
        let statistics = try session.statistics(host.volume.id)
        try target.checkModelled(statistics)
        let shapes = LoadShape.all(for: statistics, isWrite: write)
        let rows: [CertificateRow]
        do {
            let machine = try measureMachine(shapes, beside: target, session, signals)
            rows = try zip(shapes, machine).map { shape, machine in
                try row(shape, machine: machine, target, session, signals)
            }
            if isBlank { try target.makeBlankAgain() }
        } catch {
            if isBlank { try target.makeBlankAgain() }
            throw error
        }
        try finish(
            Certificate(volume: host.volume, path: target.path.string, secondsPerLoad: Double(seconds), rows: rows),
            session)
    }

    private func row(
        _ shape: LoadShape, machine: Double, _ target: CertifiedVolume, _ session: Session, _ signals: SignalDescriptor
    ) throws -> CertificateRow {
        let statistics = try session.statistics(target.volume.id)
        guard
            let expected = ExpectedRate(
                of: shape, statistics, warmUpSeconds: Self.warmUpSeconds, seconds: Double(seconds))
        else { throw CertifiedVolume.withoutLimits(target.volume) }
        let given = try measure(shape, on: target.path, seconds: Double(seconds), signals)
        return CertificateRow(shape: shape, expected: expected, given: given, machineOperationsPerSecond: machine)
    }

    /// What each load is given where nothing holds it back, on the same way.
    private func measureMachine(
        _ shapes: [LoadShape], beside target: CertifiedVolume, _ session: Session, _ signals: SignalDescriptor
    ) throws -> [Double] {
        try ScratchVolume.with(zone: target.volume.zone, session) { path in
            try shapes.map { shape in
                try measure(shape, on: path, seconds: Self.machineSeconds, signals).operationsPerSecond
            }
        }
    }

    private func measure(
        _ shape: LoadShape, on path: FilePath, seconds: Double, _ signals: SignalDescriptor
    ) throws -> LoadResult {
        let file = try DirectFile(path, writes: shape.isWrite)
        defer { file.close() }
        do {
            return try Progress.during("measuring \(shape.description)") {
                try Load.run(
                    shape, on: file, warmUpSeconds: Self.warmUpSeconds * min(1, seconds), seconds: seconds
                ) { try !waitUntilReadable([signals.descriptor], timeout: $0).isEmpty }
            }
        } catch is Interrupted {
            throw CommandFailure("interrupted; nothing is certified")
        } catch let error as Errno {
            throw CommandFailure("\(path): \(shape.description) failed: \(error)")
        }
    }

    private func finish(_ certificate: Certificate, _ session: Session) throws {
        if output.chosenFormat == .table {
            writeOut(certificate.text)
        } else {
            try session.print(certificate.answer, output)
        }
        if !certificate.isCertified { throw ExitCode(1) }
    }
}
