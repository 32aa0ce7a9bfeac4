#define _GNU_SOURCE
#include "CPlatformFreezing.h"

#include <errno.h>
#include <linux/fs.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

extern char **environ;

int cplatform_freeze(int descriptor) { return ioctl(descriptor, FIFREEZE, 0) == 0 ? 0 : -errno; }

int cplatform_thaw(int descriptor) { return ioctl(descriptor, FITHAW, 0) == 0 ? 0 : -errno; }

int cplatform_filesystem_device(int descriptor, unsigned int *major, unsigned int *minor) {
    struct stat status;
    if (fstat(descriptor, &status) < 0) return -errno;
    *major = major(status.st_dev);
    *minor = minor(status.st_dev);
    return 0;
}

pid_t cplatform_spawn_piped(const char *path, char *const argv[], int input, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t child;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawn(&child, path, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error ? -error : child;
}
