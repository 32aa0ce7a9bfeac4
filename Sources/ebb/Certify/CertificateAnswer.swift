import Driver

extension Certificate {
    var answer: Answer {
        Answer(
            value: .record([
                .init("Name", .text(volume.name)),
                .init("VolumeID", .text(volume.id.rawValue)),
                .init("VolumeType", .text(volume.type.name)),
                .init("Size", .text(String(volume.sizeGiB))),
                .init("Path", .text(path)),
                .init("SecondsPerLoad", .decimal(secondsPerLoad)),
                .init("Certified", .boolean(isCertified)),
                .init("Conclusion", .text(conclusion)),
                .init("Tolerances", .text(tolerances)),
                .init("Loads", .list(rows.map(\.record))),
            ]),
            table: Table(
                header: ["Load", "Decided by", "EBS", "Given", "Error", "Median", "p99", "Machine", "Verdict"],
                rows: rows.map(\.cells)))
    }

    /// The table with what it means.
    var text: String {
        "\(volume.name.isEmpty ? "" : volume.name + "  ")\(volume.id)  \(volume.type) \(volume.sizeGiB) GiB  \(path)\n\n"
            + answer.table.text(withHeader: true) + "\n\(tolerances)\n\(conclusion)\n"
    }
}

extension CertificateRow {
    fileprivate var record: Value {
        var fields: [Value.Field] = [
            .init("Load", .text(shape.description)),
            .init("SizeBytes", .integer(shape.sizeBytes)),
            .init("Depth", .integer(shape.depth)),
            .init("DecidedBy", .text(expected.bound.rawValue)),
            .init("ExpectedIOPS", .decimal(expected.operationsPerSecond)),
            .init("GivenIOPS", .decimal(given.operationsPerSecond)),
            .init("ErrorPercent", .decimal(rateError * 100)),
            .init("MachineIOPS", .decimal(machineOperationsPerSecond)),
            .init("TimerP99Milliseconds", .decimal(Double(given.timerPercentile99 ?? 0) / 1e6)),
            .init("Verdict", .text(word)),
        ]
        for (name, share, model) in [
            ("Median", 0.5, expected.latency.medianNanoseconds),
            ("P99", 0.99, expected.latency.percentile99Nanoseconds),
        ] where expected.bound == .latency {
            fields.append(.init("Expected\(name)Milliseconds", .decimal(Double(model) / 1e6)))
            if let found = given.quantile(share) {
                fields.append(.init("Given\(name)Milliseconds", .decimal(Double(found) / 1e6)))
            }
        }
        return .record(fields)
    }

    fileprivate var cells: [String] {
        [
            shape.description, expected.bound.rawValue, rate(expected.operationsPerSecond),
            rate(given.operationsPerSecond), Self.signed(rateError * 100, places: 2) + " %", median, percentile99,
            rate(machineOperationsPerSecond), word,
        ]
    }

    private func rate(_ operationsPerSecond: Double) -> String {
        Figures.decimal(operationsPerSecond, places: operationsPerSecond < 1_000 ? 1 : 0)
    }

    private var median: String {
        guard expected.bound == .latency, let found = given.quantile(0.5), let error = medianError else { return "" }
        return "\(Figures.milliseconds(Double(found))) \(Self.signed(error * 100, places: 1)) %"
    }

    private var percentile99: String {
        guard expected.bound == .latency, let found = given.quantile(0.99), let error = percentile99ErrorNanoseconds
        else { return "" }
        let text = "\(Figures.milliseconds(Double(found))) \(Self.signed(Double(error) / 1e6, places: 2)) ms"
        return judgesPercentile99 ? text : text + " (not judged)"
    }

    private var word: String {
        switch verdict {
        case .pass: "pass"
        case .fail: "FAIL"
        case .machine: "machine too slow"
        case .busy: "machine too busy"
        case .tooShort: "too short"
        }
    }

    private static func signed(_ value: Double, places: Int) -> String {
        let text = Figures.decimal(value, places: places)
        return text.hasPrefix("-") ? text : "+" + text
    }
}
