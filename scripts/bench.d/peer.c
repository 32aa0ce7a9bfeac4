/* The least that a FUSE server on libfuse's low-level API and lanes has to do, in C: what Ebb's data path is
 * measured against. One file, `volume`, served from one backing file; no checks, no tree, no takeover.
 *
 *   gcc -O2 peer.c -o peer $(pkg-config --cflags --libs fuse3) -lpthread
 *   peer BACKING_FILE MOUNTPOINT LANES
 *
 * Prints "ready" when it serves, ends when it is unmounted. */
#define FUSE_USE_VERSION 314
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { TRANSFER = 1 << 20, REQUEST = TRANSFER + 4096, FILE_INODE = 2 };

struct lane {
    int device;
    bool is_silent; /* INIT was answered by the first lane already */
    struct fuse_session *session;
    char *request, *answer;
};

static int backing;

static struct stat status_of(fuse_ino_t inode) {
    struct stat status = {.st_ino = inode, .st_nlink = 1, .st_mode = S_IFDIR | 0755};
    if (inode == FILE_INODE) {
        fstat(backing, &status);
        status.st_ino = inode;
    }
    return status;
}

static void on_init(void *context, struct fuse_conn_info *connection) {
    (void)context;
    connection->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    connection->max_write = connection->max_read = TRANSFER;
    connection->max_background = 256;
    connection->congestion_threshold = 192;
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
    if (parent != FUSE_ROOT_ID || strcmp(name, "volume") != 0) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    struct fuse_entry_param entry = {.ino = FILE_INODE, .attr = status_of(FILE_INODE)};
    fuse_reply_entry(request, &entry);
}

static void on_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info) {
    (void)info;
    struct stat status = status_of(inode);
    fuse_reply_attr(request, &status, 0);
}

static void on_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info) {
    (void)inode;
    info->direct_io = 1;
    fuse_reply_open(request, info);
}

static void on_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *info) {
    (void)inode, (void)info;
    struct lane *lane = fuse_req_userdata(request);
    ssize_t count = pread(backing, lane->answer, size < TRANSFER ? size : TRANSFER, offset);
    if (count < 0) fuse_reply_err(request, errno);
    else fuse_reply_buf(request, lane->answer, (size_t)count);
}

static void on_write(
    fuse_req_t request, fuse_ino_t inode, const char *bytes, size_t size, off_t offset, struct fuse_file_info *info) {
    (void)inode, (void)info;
    ssize_t count = pwrite(backing, bytes, size, offset);
    if (count < 0) fuse_reply_err(request, errno);
    else fuse_reply_write(request, (size_t)count);
}

static void on_fsync(fuse_req_t request, fuse_ino_t inode, int only_data, struct fuse_file_info *info) {
    (void)inode, (void)only_data, (void)info;
    fuse_reply_err(request, fdatasync(backing) ? errno : 0);
}

static const struct fuse_lowlevel_ops operations = {
    .init = on_init, .lookup = on_lookup, .getattr = on_getattr, .open = on_open, .read = on_read,
    .write = on_write, .fsync = on_fsync};

static ssize_t never_read(int device, void *buffer, size_t size, void *context) {
    (void)device, (void)buffer, (void)size, (void)context;
    errno = ENOTSUP;
    return -1;
}

static ssize_t send_answer(int device, struct iovec *parts, int count, void *context) {
    struct lane *lane = context;
    if (!lane->is_silent) return writev(device, parts, count);
    ssize_t total = 0;
    for (int i = 0; i < count; i++) total += (ssize_t)parts[i].iov_len;
    return total;
}

static void process(struct lane *lane, void *request, size_t size) {
    struct fuse_buf buffer = {.mem = request, .size = size};
    fuse_session_process_buf(lane->session, &buffer);
}

static void *serve(void *context) {
    struct lane *lane = context;
    for (;;) {
        ssize_t size = read(lane->device, lane->request, REQUEST);
        if (size >= 0) process(lane, lane->request, (size_t)size);
        else if (errno != EINTR && errno != ENOENT && errno != EAGAIN) return NULL;
    }
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void prepare(struct lane *lane, int device) {
    static const struct fuse_custom_io io = {.writev = send_answer, .read = never_read};
    lane->device = device;
    char *argv[] = {"peer", "-omax_read=1048576", NULL};
    struct fuse_args arguments = FUSE_ARGS_INIT(2, argv);
    lane->session = fuse_session_new(&arguments, &operations, sizeof operations, lane);
    if (!lane->session || fuse_session_custom_io(lane->session, &io, lane->device)) fail("session");
    lane->request = aligned_alloc(4096, REQUEST);
    lane->answer = aligned_alloc(4096, TRANSFER);
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    int lane_count = atoi(arguments[3]);
    backing = open(arguments[1], O_RDWR);
    int device = open("/dev/fuse", O_RDWR);
    if (backing < 0 || device < 0) fail("open");
    char options[160];
    snprintf(options, sizeof options,
        "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions,max_read=%d", device, TRANSFER);
    if (mount("peer", arguments[2], "fuse", MS_NOSUID | MS_NODEV, options)) fail("mount");

    struct lane *lanes = calloc((size_t)lane_count, sizeof *lanes);
    char init[16384];
    ssize_t init_size = read(device, init, sizeof init);
    for (int i = 0; i < lane_count; i++) {
        int descriptor = device;
        uint32_t source = (uint32_t)device;
        if (i > 0 && ((descriptor = open("/dev/fuse", O_RDWR)) < 0 || ioctl(descriptor, FUSE_DEV_IOC_CLONE, &source)))
            fail("clone");
        prepare(&lanes[i], descriptor);
        char copy[sizeof init];
        memcpy(copy, init, (size_t)init_size);
        lanes[i].is_silent = i > 0;
        process(&lanes[i], copy, (size_t)init_size);
        lanes[i].is_silent = false;
    }
    pthread_t threads[64];
    for (int i = 0; i < lane_count; i++) pthread_create(&threads[i], NULL, serve, &lanes[i]);
    puts("ready");
    fflush(stdout);
    for (int i = 0; i < lane_count; i++) pthread_join(threads[i], NULL);
    return 0;
}
