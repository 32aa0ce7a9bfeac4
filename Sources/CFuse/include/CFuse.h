#pragma once

/* libfuse3's low-level API, and what Swift cannot call of it: macros, bit fields, and replies that libfuse 3.14
 * has no function for. Each function returns a value, or -errno. */

#define FUSE_USE_VERSION 314

#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>

/* ioctl(FUSE_DEV_IOC_CLONE), a macro: makes `clone`, an open /dev/fuse, one more descriptor of the mounted
 * connection that `descriptor` belongs to. */
int cfuse_clone(int clone, int descriptor);

/* A session over one descriptor. `writev` sends all replies, with `context` as its last argument, which
 * fuse_req_userdata gives too. `max_read` is the mount's option of that name, in bytes; INIT's answer must say the
 * same. The session closes `descriptor` when it is destroyed. NULL when libfuse refuses. */
struct fuse_session *cfuse_session(
    const struct fuse_lowlevel_ops *operations, int descriptor, unsigned max_read,
    ssize_t (*writev)(int, struct iovec *, int, void *), void *context);

/* Lets one whole request, as read from the descriptor, run through the session's operations. */
void cfuse_process(struct fuse_session *session, void *request, size_t length);

/* fuse_reply_open with flags of the kernel that libfuse 3.14's struct fuse_file_info has no field for. */
int cfuse_reply_open(fuse_req_t request, uint32_t flags);

/* Replies with an error as the kernel wants it; `error` is a positive errno, or 0. */
int cfuse_reply_error(fuse_req_t request, int error);

/* What is sent to the kernel to have every request that is being worked on handed over again. */
struct fuse_out_header cfuse_resend_notification(void);

/* Whether a kernel that sent this INIT request can hand requests over again (Linux 6.9). False when `length`
 * is too short for an INIT request. */
bool cfuse_init_can_resend(const void *init_request, size_t length);

/* Removes from what libfuse wants of the kernel whatever needs splice(2): replies go through `writev`. */
void cfuse_disable_splice(struct fuse_conn_info *connection);

enum {
    CFUSE_OPEN_DIRECT_IO = FOPEN_DIRECT_IO,
    CFUSE_OPEN_PARALLEL_DIRECT_WRITES = 1 << 6,
};
