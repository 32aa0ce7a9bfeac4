import Driver
import Testing

@Suite struct VolumeSizeTests {
    @Test(arguments: [
        ("1", 1), ("10", 10), ("10g", 10), ("10G", 10), ("10gb", 10), ("10GiB", 10), ("1024m", 1), ("2048MiB", 2),
        ("1t", 1024), ("64T", 65536), ("016", 16),
    ])
    func `whole GiB stay as they are`(text: String, gibibytes: Int) throws {
        let size = try VolumeSize(parsing: text)
        #expect(size.gibibytes == gibibytes)
        #expect(size.roundedFrom == nil)
    }

    @Test(arguments: [("512m", 1), ("1m", 1), ("1025m", 2), ("1025M", 2), ("1500MB", 2), ("1023m", 1)])
    func `parts are rounded up and remembered`(text: String, gibibytes: Int) throws {
        let size = try VolumeSize(parsing: text)
        #expect(size.gibibytes == gibibytes)
        #expect(size.roundedFrom == text)
    }

    @Test(arguments: [
        "", "0", "0g", "-1", "-5", "+5", "five", "x", "1x", "5x", "5 g", "10 GB", "10 0", " 5", "5g ", "1.5", "1.5g",
        "0x10", "g", "b", "ib", "٥", "1k", "10kb", "10gg", "99999999999999999999", "9223372036854775807t",
    ])
    func `what is no size is refused, and what would be one is said`(text: String) throws {
        #expect(VolumeSize(text) == nil)
        let error = try #require(throws: StorageError.self) { try VolumeSize(parsing: text) }
        #expect(
            error.description
                == "Value (\(text)) for parameter size is invalid (InvalidParameterValue): it is not a positive whole "
                + "number of GiB; write 10 or 10g for GiB, 512m for MiB, 1t for TiB")
    }
}
