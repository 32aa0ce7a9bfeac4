#define _GNU_SOURCE
#include "CPlatformDetached.h"
#include "Spawning.h"

#include <fcntl.h>
#include <unistd.h>

pid_t cplatform_spawn_detached(const char *path, char *const argv[], int log) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, log, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO);
    return cplatform_spawn_with(path, argv, &actions, POSIX_SPAWN_SETSID);
}
