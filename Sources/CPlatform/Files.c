#define _GNU_SOURCE
#include "CPlatformFiles.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(CPLATFORM_FALLOC_KEEP_SIZE == FALLOC_FL_KEEP_SIZE, "linux/falloc.h");
_Static_assert(CPLATFORM_FALLOC_PUNCH_HOLE == FALLOC_FL_PUNCH_HOLE, "linux/falloc.h");
_Static_assert(CPLATFORM_FALLOC_ZERO_RANGE == FALLOC_FL_ZERO_RANGE, "linux/falloc.h");
_Static_assert(CPLATFORM_SEEK_DATA == SEEK_DATA && CPLATFORM_SEEK_HOLE == SEEK_HOLE, "unistd.h");

int cplatform_fallocate(int descriptor, int mode, int64_t offset, int64_t length) {
    return fallocate(descriptor, mode, offset, length) == 0 ? 0 : -errno;
}

int cplatform_memory_file(const char *name) {
    int descriptor = memfd_create(name, MFD_CLOEXEC);
    return descriptor >= 0 ? descriptor : -errno;
}

int cplatform_direct_flag(void) { return O_DIRECT; }

int cplatform_clone_file(int descriptor, int source) {
    return ioctl(descriptor, FICLONE, source) == 0 ? 0 : -errno;
}

int cplatform_synchronize_filesystem(int descriptor) { return syncfs(descriptor) == 0 ? 0 : -errno; }
