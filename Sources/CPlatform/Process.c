#define _GNU_SOURCE
#include "CPlatformProcess.h"
#include "Spawning.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The thread that reads signals, and which. */
static pid_t signal_reader;
static sigset_t read_signals;

/* Some libraries have threads that block nothing, and the kernel gives a signal to any thread that lets it in. This is
 * what such a thread then does: it hands the signal to the reader, who has it blocked, and so finds it. */
static void pass_to_reader(int signal) {
    int saved = errno;
    syscall(SYS_tgkill, getpid(), signal_reader, signal);
    errno = saved;
}

int cplatform_signal_descriptor(const int *signals, int count) {
    const struct sigaction pass = {.sa_handler = pass_to_reader, .sa_flags = SA_RESTART};
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error) return -error;
    signal_reader = gettid();
    for (int i = 0; i < count; i++) {
        if (signals[i] != SIGCHLD && sigaction(signals[i], &pass, NULL) < 0) return -errno;
    }
    read_signals = set;
    int descriptor = signalfd(-1, &set, SFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int cplatform_read_signal(int descriptor) {
    struct signalfd_siginfo info;
    ssize_t count = read(descriptor, &info, sizeof info);
    if (count < 0) return -errno;
    return count == sizeof info ? (int)info.ssi_signo : -EIO;
}

void cplatform_let_signals_in(void) {
    for (int number = 1; number < NSIG; number++) {
        if (sigismember(&read_signals, number) == 1) signal(number, SIG_DFL);
    }
    pthread_sigmask(SIG_UNBLOCK, &read_signals, NULL);
}

int cplatform_set_parent_death_signal(int signal) {
    return prctl(PR_SET_PDEATHSIG, signal) < 0 ? -errno : 0;
}

pid_t cplatform_spawn(const char *path, char *const argv[], const int *keep, int keep_count) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    /* dup2 of a descriptor onto itself clears its close-on-exec flag in the child (glibc >= 2.29). */
    for (int i = 0; i < keep_count; i++) posix_spawn_file_actions_adddup2(&actions, keep[i], keep[i]);
    return cplatform_spawn_with(path, argv, &actions, 0);
}

int cplatform_set_batch_policy(int nice_value, uint64_t slice_nanoseconds) {
    /* As in <linux/sched/types.h>, which redefines what <sched.h> has. */
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {.size = 48, .policy = SCHED_BATCH, .nice = nice_value, .runtime = slice_nanoseconds};
    return syscall(SYS_sched_setattr, 0, &attributes, 0) < 0 ? -errno : 0;
}

int cplatform_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
}
