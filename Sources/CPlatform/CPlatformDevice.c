#include "CPlatformDevice.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int cplatform_make_block_node(const char *path, unsigned int major, unsigned int minor) {
    return mknod(path, S_IFBLK | 0660, makedev(major, minor)) < 0 ? -errno : 0;
}

int cplatform_block_number(const char *path, unsigned int *major, unsigned int *minor) {
    struct stat status;
    if (stat(path, &status) < 0) return -errno;
    if (!S_ISBLK(status.st_mode)) return -ENOTBLK;
    *major = major(status.st_rdev);
    *minor = minor(status.st_rdev);
    return 0;
}

int cplatform_free_loop_number(void) {
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) return -errno;
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    int result = number < 0 ? -errno : number;
    close(control);
    return result;
}
