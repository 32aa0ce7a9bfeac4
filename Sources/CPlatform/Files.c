#define _GNU_SOURCE
#include "CPlatformFiles.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
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

int cplatform_write_in_place(int descriptor) {
    int flags = 0;
    if (ioctl(descriptor, FS_IOC_GETFLAGS, &flags) != 0) return -errno;
    flags |= FS_NOCOW_FL;
    return ioctl(descriptor, FS_IOC_SETFLAGS, &flags) == 0 ? 0 : -errno;
}

enum { EXTENTS_AT_A_TIME = 64 };

union extents {
    struct fiemap map;
    char bytes[sizeof(struct fiemap) + EXTENTS_AT_A_TIME * sizeof(struct fiemap_extent)];
};

/* The first extents between two bytes of a file. */
static int find_extents(int descriptor, uint64_t start, uint64_t end, union extents *found) {
    memset(found, 0, sizeof *found);
    found->map.fm_start = start;
    found->map.fm_length = end - start;
    found->map.fm_extent_count = EXTENTS_AT_A_TIME;
    return ioctl(descriptor, FS_IOC_FIEMAP, &found->map) == 0 ? 0 : -errno;
}

int cplatform_has_space(int descriptor, uint64_t length) {
    union extents found;
    uint64_t position = 0;
    while (position < length) {
        int result = find_extents(descriptor, position, length, &found);
        if (result != 0) return result;
        if (found.map.fm_mapped_extents == 0) return 0;
        for (uint32_t index = 0; index < found.map.fm_mapped_extents; index++) {
            const struct fiemap_extent *extent = &found.map.fm_extents[index];
            if (extent->fe_logical > position) return 0;
            position = extent->fe_logical + extent->fe_length;
        }
    }
    return 1;
}

int cplatform_has_few_extents(int descriptor, uint32_t limit) {
    union extents found;
    uint64_t position = 0;
    uint32_t count = 0;
    while (count <= limit) {
        int result = find_extents(descriptor, position, FIEMAP_MAX_OFFSET, &found);
        if (result != 0) return result;
        if (found.map.fm_mapped_extents == 0) return 1;
        count += found.map.fm_mapped_extents;
        const struct fiemap_extent *last = &found.map.fm_extents[found.map.fm_mapped_extents - 1];
        if (last->fe_flags & FIEMAP_EXTENT_LAST) return count <= limit;
        position = last->fe_logical + last->fe_length;
    }
    return 0;
}

/* Linux 6.5; the headers of Debian 12 do not have it. Its number is the same for every architecture. */
enum { CPLATFORM_CACHESTAT = 451 };

int cplatform_cached_pages(int descriptor, uint64_t offset, uint64_t length, struct cplatform_cached_pages *pages) {
    struct {
        uint64_t offset, length;
    } range = {offset, length};
    struct {
        uint64_t cached, dirty, in_writeback, evicted, recently_evicted;
    } answer;
    if (syscall(CPLATFORM_CACHESTAT, descriptor, &range, &answer, 0) != 0) return -errno;
    pages->cached = answer.cached;
    pages->unwritten = answer.dirty + answer.in_writeback;
    return 0;
}

int cplatform_begin_writing_back(int descriptor) {
    return sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE) == 0 ? 0 : -errno;
}

int cplatform_synchronize_filesystem(int descriptor) { return syncfs(descriptor) == 0 ? 0 : -errno; }
