import Driver

/// One volume as people name it: exact id or name, then without regard to case, then a unique start, or a
/// `/regular expression/` for several.
struct VolumePattern {
    let text: String

    init(_ text: String) {
        self.text = text
    }

    private var expression: String? {
        text.count > 2 && text.hasPrefix("/") && text.hasSuffix("/") ? String(text.dropFirst().dropLast()) : nil
    }

    /// Asks for the one volume first; the whole region is listed only when that does not find it.
    func resolve(_ session: Session, byPrefix: Bool) throws -> [HostVolume] {
        if expression == nil, let volume = try exactMatch(session) { return [volume] }
        return try matches(in: try session.volumes(), byPrefix: byPrefix)
    }

    /// The text as an id or a name, letter for letter.
    var reference: VolumeReference { text.hasPrefix("vol-") ? .id(VolumeID(text)) : .name(text) }

    /// The volume whose id or name this is, letter for letter.
    private func exactMatch(_ session: Session) throws -> HostVolume? {
        do {
            return try session.volume(reference)
        } catch {
            // It may still be another spelling.
            if error.code == .volumeNotFound || error.code == .invalidParameterValue { return nil }
            throw error
        }
    }

    /// At least one volume.
    ///
    /// - Throws: `InvalidVolume.NotFound`; `InvalidParameterValue` when a start fits several volumes, or fits
    ///   but is not enough.
    func matches(in volumes: [HostVolume], byPrefix: Bool) throws -> [HostVolume] {
        if let expression { return try matches(of: expression, in: volumes) }
        let exact = volumes.filter { $0.volume.id.rawValue == text || $0.volume.name == text }
        if !exact.isEmpty { return exact }
        let folded = text.lowercased()
        let caseless = volumes.filter {
            $0.volume.id.rawValue.lowercased() == folded || $0.volume.name.lowercased() == folded
        }
        if caseless.count == 1 { return caseless }
        let starting = volumes.filter {
            $0.volume.id.rawValue.lowercased().hasPrefix(folded) || $0.volume.name.lowercased().hasPrefix(folded)
        }
        guard let first = starting.first else {
            throw StorageError(.volumeNotFound, "No volume is named '\(text)'", advice: "see volume ls")
        }
        guard starting.count == 1 else {
            let names = starting.prefix(5).map(\.label).joined(separator: ", ")
            throw StorageError(
                .invalidParameterValue, "'\(text)' fits \(starting.count) volumes", cause: names,
                advice: "write one of them whole")
        }
        guard byPrefix else {
            throw StorageError(
                .invalidParameterValue, "'\(text)' is only the start of '\(first.label)'",
                advice: "write it whole, since removing cannot be undone")
        }
        return starting
    }

    private func matches(of expression: String, in volumes: [HostVolume]) throws -> [HostVolume] {
        let regex: Regex<AnyRegexOutput>
        do {
            regex = try Regex(expression)
        } catch {
            throw StorageError(.invalidParameterValue, "'\(text)' is no regular expression", cause: "\(error)")
        }
        let matching = volumes.filter {
            $0.volume.name.firstMatch(of: regex) != nil || $0.volume.id.rawValue.firstMatch(of: regex) != nil
        }
        if matching.isEmpty { throw StorageError(.volumeNotFound, "No volume's name fits '\(text)'") }
        return matching
    }
}
