#define _GNU_SOURCE
#include "Spawning.h"

#include <signal.h>

extern char **environ;

pid_t cplatform_spawn_with(
    const char *path, char *const argv[], posix_spawn_file_actions_t *actions, short flags) {
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t child;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | flags);
    int error = posix_spawn(&child, path, actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(actions);
    return error ? -error : child;
}
