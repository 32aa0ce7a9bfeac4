#pragma once

/* Filesystems that hold still, and a child to see to it. Each returns a value, or -errno. */

#include <sys/types.h>

/* ioctl_fs(2): FIFREEZE and FITHAW of the filesystem that holds a descriptor's file. Variadic in C. */
int cplatform_freeze(int descriptor);
int cplatform_thaw(int descriptor);

/* fstat(2): the number of the device that a descriptor's file lies on; major() and minor() are macros. */
int cplatform_filesystem_device(int descriptor, unsigned int *major, unsigned int *minor);

/* posix_spawn(3) of `path` with `input` and `output` as its standard ones, and with no other descriptor of this process
 * but standard error. Signals are unblocked in the child. Returns the process id. */
pid_t cplatform_spawn_piped(const char *path, char *const argv[], int input, int output);
