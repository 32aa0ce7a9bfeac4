#pragma once

/* Calls on files that Swift's Glibc module hides behind _GNU_SOURCE. Each returns a value, or -errno. */

#include <stdint.h>

/// fallocate(2). `mode` is a combination of the constants below.
int cplatform_fallocate(int descriptor, int mode, int64_t offset, int64_t length);

enum {
    CPLATFORM_FALLOC_KEEP_SIZE = 0x01,
    CPLATFORM_FALLOC_PUNCH_HOLE = 0x02,
    CPLATFORM_FALLOC_ZERO_RANGE = 0x10,
    CPLATFORM_SEEK_DATA = 3,
    CPLATFORM_SEEK_HOLE = 4,
};

/// memfd_create(2) with MFD_CLOEXEC.
int cplatform_memory_file(const char *name);

/// O_DIRECT, whose value is each architecture's own.
int cplatform_direct_flag(void);

/// ioctl(2) FICLONE, which is variadic and a macro: `descriptor`'s contents become `source`'s, sharing its extents.
int cplatform_clone_file(int descriptor, int source);

/// ioctl(2) FS_IOC_SETFLAGS with FS_NOCOW_FL added: an empty file is from now on written in place.
int cplatform_write_in_place(int descriptor);

/// ioctl(2) FS_IOC_FIEMAP, whose argument ends in an array of no fixed length: 1 when all of a file's first `length`
/// bytes have space, written or not, and 0 when there is a hole.
int cplatform_has_space(int descriptor, uint64_t length);

/// syncfs(2).
int cplatform_synchronize_filesystem(int descriptor);
