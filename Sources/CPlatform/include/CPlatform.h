#pragma once

#include "CPlatformProcess.h"
#include "CPlatformDetached.h"
#include "CPlatformDevice.h"
#include "CPlatformPeer.h"

/* System calls and constants that Swift's Glibc module cannot show: those behind _GNU_SOURCE, those that
 * are variadic, and those that are macros. Each returns a value, or -errno. */

#include "CPlatformFiles.h"

#include "CPlatformMounting.h"

#include "CPlatformTimer.h"

#include "CPlatformFreezing.h"
