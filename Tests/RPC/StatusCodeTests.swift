// How EC2's codes are sorted into gRPC's.
import Driver
import RPC
import Testing

@Suite struct StatusCodeTests {
    @Test(
        "each of EC2's codes has a status",
        arguments: [
            ("InvalidVolume.NotFound", "NOT_FOUND"), ("InvalidAttachment.NotFound", "NOT_FOUND"),
            ("InvalidInstanceID.NotFound", "NOT_FOUND"), ("InvalidZone.NotFound", "NOT_FOUND"),
            ("InvalidVolume.Duplicate", "ALREADY_EXISTS"), ("IdempotentParameterMismatch", "ALREADY_EXISTS"),
            ("VolumeInUse", "FAILED_PRECONDITION"), ("IncorrectState", "FAILED_PRECONDITION"),
            ("InvalidVolume.ZoneMismatch", "FAILED_PRECONDITION"), ("DeviceBusy", "FAILED_PRECONDITION"),
            ("InvalidParameterValue", "INVALID_ARGUMENT"), ("InvalidParameterCombination", "INVALID_ARGUMENT"),
            ("MissingParameter", "INVALID_ARGUMENT"), ("UnknownVolumeType", "INVALID_ARGUMENT"),
            ("InvalidVolumeID.Malformed", "INVALID_ARGUMENT"), ("AttachmentLimitExceeded", "RESOURCE_EXHAUSTED"),
            ("IncorrectModificationState", "FAILED_PRECONDITION"),
            ("VolumeModificationRateExceeded", "RESOURCE_EXHAUSTED"),
            ("InvalidVolumeModification.NotFound", "NOT_FOUND"),
            ("VolumeLimitExceeded", "RESOURCE_EXHAUSTED"), ("Unavailable", "UNAVAILABLE"),
            ("DeadlineExceeded", "DEADLINE_EXCEEDED"), ("InternalError", "INTERNAL"),
            ("UnsupportedOperation", "UNIMPLEMENTED"), ("UnauthorizedOperation", "PERMISSION_DENIED"),
            ("SomethingNew", "UNKNOWN"),
        ])
    func sorts(_ code: String, _ name: String) {
        #expect(StatusCode(StorageError.Code(code)).name == name)
    }

    @Test("an error comes out of its wire form as it was")
    func roundTrips() {
        let error = StorageError(.volumeInUse, "message", cause: "cause", advice: "advice")
        #expect(RPCError(error).storageError == error)
        #expect(RPCError(error).code == 9)
        #expect(RPCError(error, protocolCode: .invalidParameters).code == -32602)
    }
}
