import Driver
import Host

extension VolumeName {
    /// The name that dockerd draws for `-v /path` without a name: 64 lower-case hexadecimal digits.
    static func isAnonymous(_ name: String) -> Bool {
        name.utf8.count == 64
            && name.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
                default: false
                }
            }
    }

    /// The volume that Docker means: by its name, or by its id. dockerd leaves the rules for names to the plugin:
    /// `../../etc/x`, `a b` and the empty name all arrive here.
    static func reference(_ name: String) throws(StorageError) -> VolumeReference {
        if isLikeID(name) { return .id(VolumeID(name)) }
        try validate(name)
        return .name(name)
    }
}
