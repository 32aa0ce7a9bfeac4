#define _GNU_SOURCE
#include "CPlatformFreezing.h"
#include "Spawning.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

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
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    return cplatform_spawn_with(path, argv, &actions, 0);
}
