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

/// syncfs(2).
int cplatform_synchronize_filesystem(int descriptor);
