#pragma once

#include <sys/types.h>

/* posix_spawn in a session of its own (POSIX_SPAWN_SETSID is behind _GNU_SOURCE), with nothing on standard
 * input and `log` as standard output and error. The process id, or -errno. */
pid_t cplatform_spawn_detached(const char *path, char *const argv[], int log);
