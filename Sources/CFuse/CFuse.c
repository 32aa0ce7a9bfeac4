#include "CFuse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* Names that this machine's headers may be too old for; the numbers are the kernel's ABI. */
enum {
    NOTIFY_RESEND = 7,             /* FUSE_NOTIFY_RESEND, Linux 6.9 */
    INIT_EXTENDED = 1 << 30,       /* FUSE_INIT_EXT */
    INIT_HAS_RESEND = 1 << 7,      /* FUSE_HAS_RESEND, in the second word of flags */
};

#ifdef FOPEN_PARALLEL_DIRECT_WRITES
_Static_assert(CFUSE_OPEN_PARALLEL_DIRECT_WRITES == FOPEN_PARALLEL_DIRECT_WRITES, "linux/fuse.h");
#endif
_Static_assert(sizeof(struct fuse_in_header) == 40 && sizeof(struct fuse_out_header) == 16, "linux/fuse.h");

int cfuse_clone(int clone, int descriptor) {
    uint32_t source = (uint32_t)descriptor;
    return ioctl(clone, FUSE_DEV_IOC_CLONE, &source) == 0 ? 0 : -errno;
}

/* libfuse insists on a function that reads, and never calls it: requests are read before cfuse_process. */
static ssize_t refuse_to_read(int descriptor, void *buffer, size_t length, void *context) {
    (void)descriptor, (void)buffer, (void)length, (void)context;
    errno = ENOTSUP;
    return -1;
}

struct fuse_session *cfuse_session(
    const struct fuse_lowlevel_ops *operations, int descriptor, unsigned max_read,
    ssize_t (*writev)(int, struct iovec *, int, void *), void *context) {
    char name[] = "ebb";
    char option[32];
    snprintf(option, sizeof option, "-omax_read=%u", max_read);
    char *argv[] = {name, option, NULL};
    struct fuse_args arguments = FUSE_ARGS_INIT(2, argv);
    struct fuse_session *session = fuse_session_new(&arguments, operations, sizeof *operations, context);
    fuse_opt_free_args(&arguments);
    if (!session) return NULL;
    const struct fuse_custom_io io = {.writev = writev, .read = refuse_to_read};
    if (fuse_session_custom_io(session, &io, descriptor) != 0) {
        fuse_session_destroy(session);
        return NULL;
    }
    return session;
}

void cfuse_process(struct fuse_session *session, void *request, size_t length) {
    struct fuse_buf buffer = {.mem = request, .size = length};
    fuse_session_process_buf(session, &buffer);
}

int cfuse_reply_open(fuse_req_t request, uint32_t flags) {
    struct fuse_open_out open = {.open_flags = flags};
    return fuse_reply_buf(request, (const char *)&open, sizeof open);
}

int cfuse_reply_error(fuse_req_t request, int error) {
    return fuse_reply_err(request, error);
}

struct fuse_out_header cfuse_resend_notification(void) {
    return (struct fuse_out_header){.len = sizeof(struct fuse_out_header), .error = NOTIFY_RESEND, .unique = 0};
}

bool cfuse_init_can_resend(const void *init_request, size_t length) {
    struct fuse_in_header header;
    struct fuse_init_in init;
    if (length < sizeof header + sizeof init) return false;
    memcpy(&init, (const char *)init_request + sizeof header, sizeof init);
    return (init.flags & INIT_EXTENDED) && (init.flags2 & INIT_HAS_RESEND);
}

void cfuse_disable_splice(struct fuse_conn_info *connection) {
    connection->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}
