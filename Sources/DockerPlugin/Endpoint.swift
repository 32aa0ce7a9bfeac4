/// The calls that dockerd makes, by their paths, and how long each may take.
///
/// Source: moby `daemon/volume/drivers/proxy.go`, and the traces in `Tests/DockerPlugin/DockerTraceTests.swift`.
enum Endpoint: String, CaseIterable, Sendable {
    case activate = "/Plugin.Activate"
    case create = "/VolumeDriver.Create"
    case remove = "/VolumeDriver.Remove"
    case mount = "/VolumeDriver.Mount"
    case unmount = "/VolumeDriver.Unmount"
    case path = "/VolumeDriver.Path"
    case get = "/VolumeDriver.Get"
    case list = "/VolumeDriver.List"
    case capabilities = "/VolumeDriver.Capabilities"

    /// The name under which dockerd reports the call's errors.
    var name: String { String(rawValue.dropFirst()) }

    /// Shorter than dockerd's own, which are two minutes for Create and Mount and one minute for the others, so
    /// that users read our error rather than "context deadline exceeded".
    var deadline: Duration {
        switch self {
        case .create, .mount: .seconds(110)
        default: .seconds(50)
        }
    }

    /// Podman lists with an empty body, dockerd activates with one.
    var needsBody: Bool {
        switch self {
        case .activate, .list, .capabilities: false
        default: true
        }
    }
}
