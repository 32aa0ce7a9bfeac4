#include "CPlatformTimer.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>

enum { NANOSECONDS_PER_SECOND = 1000000000 };

int cplatform_timer(void) {
    int descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    return descriptor >= 0 ? descriptor : -errno;
}

int cplatform_set_timer(int descriptor, int64_t nanoseconds) {
    const struct itimerspec time = {
        .it_value = {.tv_sec = nanoseconds / NANOSECONDS_PER_SECOND, .tv_nsec = nanoseconds % NANOSECONDS_PER_SECOND},
    };
    return timerfd_settime(descriptor, TFD_TIMER_ABSTIME, &time, 0) == 0 ? 0 : -errno;
}
