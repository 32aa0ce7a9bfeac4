#pragma once

#include <stdint.h>

/* A timer on CLOCK_MONOTONIC: a descriptor, or -errno. Swift's Glibc module lacks sys/timerfd.h. */
int cplatform_timer(void);

/* Sets it to a time in nanoseconds, or to never with 0; 0 or -errno. */
int cplatform_set_timer(int descriptor, int64_t nanoseconds);
