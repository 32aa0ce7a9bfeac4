#pragma once

/* Mounting, and what goes with it. Each returns a value, or -errno. */

/* mount(2) with MS_NOSUID and MS_NODEV; <sys/mount.h> is not in Swift's Glibc module. */
int cplatform_mount(const char *source, const char *target, const char *type, const char *options);

/* umount2(2), with MNT_DETACH when `is_lazy`. */
int cplatform_unmount(const char *target, int is_lazy);

/* A pair of connected sockets, close-on-exec: ends[0] and ends[1]. */
int cplatform_socket_pair(int ends[2]);

/* Receives one descriptor that another process sends over a socket (SCM_RIGHTS, whose macros Swift cannot
 * call); close-on-exec. -EPIPE when the other side has hung up without sending one. */
int cplatform_receive_descriptor(int socket);

/* prctl(PR_SET_IO_FLUSHER, 1): memory that this process allocates is never found by writing to its own
 * filesystem. Variadic in C. */
int cplatform_set_io_flusher(void);

/* pthread_setname_np(3) of the calling thread, cut to the kernel's 15 bytes; behind _GNU_SOURCE. */
void cplatform_name_thread(const char *name);
