// What tags may look like: the Amazon EC2 User Guide's tag restrictions, with EC2's texts.
import Driver

enum TagRules {
    static let maximumCount = 50
    static let maximumKeyLength = 127
    static let maximumValueLength = 255
    static let reservedPrefix = "aws:"

    /// Checks tags that a user sets; the count is checked on the whole set that results.
    static func check(_ tags: [String: String]) throws(StorageError) {
        for (key, value) in tags.sorted(by: { $0.key < $1.key }) {
            guard !key.isEmpty else {
                throw StorageError(.invalidParameterValue, "Tag key cannot be empty.")
            }
            guard !key.lowercased().hasPrefix(reservedPrefix) else {
                throw StorageError(
                    .invalidParameterValue, "Tag keys starting with 'aws:' are reserved for internal use",
                    cause: "the key is '\(key)'")
            }
            guard key.count <= maximumKeyLength else {
                throw StorageError(
                    .invalidParameterValue,
                    "Tag key exceeds the maximum length of \(maximumKeyLength) characters",
                    cause: "it has \(key.count)")
            }
            guard value.count <= maximumValueLength else {
                throw StorageError(
                    .invalidParameterValue,
                    "Tag value exceeds the maximum length of \(maximumValueLength) characters",
                    cause: "the value of '\(key)' has \(value.count)")
            }
        }
        try checkCount(tags.count)
    }

    static func checkCount(_ count: Int) throws(StorageError) {
        guard count <= maximumCount else {
            throw StorageError(
                .tagLimitExceeded, "The maximum number of tags for a resource is \(maximumCount).",
                cause: "there would be \(count)")
        }
    }
}
