#pragma once

/* Processes and signals. */

#include <stdint.h>
#include <sys/types.h>

/* signalfd(2) for the given signals, blocked in the calling thread first; close-on-exec.
 * Glibc's Swift module does not show <sys/signalfd.h>. */
int cplatform_signal_descriptor(const int *signals, int count);

/* Reads one signal number from a signal descriptor; blocks until there is one. */
int cplatform_read_signal(int descriptor);

/* Gives the signals of cplatform_signal_descriptor back their default action, and lets them into the calling thread: one
 * that waits there takes effect before this returns. */
void cplatform_let_signals_in(void);

/* prctl(PR_SET_PDEATHSIG): the kernel sends `signal` to this process when its parent dies. Variadic in C. */
int cplatform_set_parent_death_signal(int signal);

/* posix_spawn(3) of `path`; `keep` names the descriptors that the child inherits under the same numbers.
 * Signals are unblocked in the child. Returns the process id. Here, because the file-action and attribute
 * types are opaque unions that Swift can only handle through raw memory. */
pid_t cplatform_spawn(const char *path, char *const argv[], const int *keep, int keep_count);

/* sched_setattr(2) of the calling thread: SCHED_BATCH, a nice value, and how long it runs at a stretch, which Linux minds
 * from 6.12 on. 0, or -errno. Without a wrapper in glibc before 2.41. */
int cplatform_set_batch_policy(int nice_value, uint64_t slice_nanoseconds);

/* pipe2(2) with O_CLOEXEC, which stands behind _GNU_SOURCE. `ends` takes the read end and the write end. */
int cplatform_pipe(int ends[2]);
