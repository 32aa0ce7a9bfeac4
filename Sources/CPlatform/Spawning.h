#pragma once

/* What every way of starting a child shares. */

#include <spawn.h>
#include <sys/types.h>

/* posix_spawn(3) with all signals unblocked in the child and further `flags`; frees `actions`. Returns the process id,
 * or -errno. */
pid_t cplatform_spawn_with(
    const char *path, char *const argv[], posix_spawn_file_actions_t *actions, short flags);
