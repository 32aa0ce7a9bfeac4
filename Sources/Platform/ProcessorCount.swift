import Glibc

/// How many processors there are to run threads on; 1 when the system does not tell.
///
/// The corresponding C function is `sysconf` with `_SC_NPROCESSORS_ONLN`.
public func processorCount() -> Int { max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }
