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

/// ioctl(2) FS_IOC_FIEMAP: 1 when a file has no more than so many extents, 0 when it has more. Looks at no more of them.
int cplatform_has_few_extents(int descriptor, uint32_t limit);

struct cplatform_cached_pages {
    uint64_t cached;
    /// Dirty, or being written just now.
    uint64_t unwritten;
};

/// cachestat(2), which glibc does not know: what the page cache has of a range of a file.
int cplatform_cached_pages(int descriptor, uint64_t offset, uint64_t length, struct cplatform_cached_pages *pages);

/// sync_file_range(2) of a whole file, with SYNC_FILE_RANGE_WRITE.
int cplatform_begin_writing_back(int descriptor);

/// syncfs(2).
int cplatform_synchronize_filesystem(int descriptor);
