/// The version of Ebb, by semver.org's rules.
public let ebbVersion = "0.1.0"
