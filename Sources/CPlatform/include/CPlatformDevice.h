#pragma once

/* Device nodes: makedev, major and minor are macros, and struct stat's st_rdev means nothing without them. */

/* mknod(2) of a block device with mode 0660. 0, or -errno. */
int cplatform_make_block_node(const char *path, unsigned int major, unsigned int minor);

/* The number of the block device at `path`, symbolic links followed. 0, -ENOTBLK for another kind of file,
 * or -errno. */
int cplatform_block_number(const char *path, unsigned int *major, unsigned int *minor);

/* LOOP_CTL_GET_FREE on /dev/loop-control: the number of a loop device that is free now, made if there is none.
 * ioctl is variadic and the request a macro. */
int cplatform_free_loop_number(void);
