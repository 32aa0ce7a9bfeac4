#pragma once

#include <stdint.h>

/* Who connected to a Unix socket: SO_PEERCRED's struct ucred stands behind _GNU_SOURCE, where Swift's Glibc
 * module cannot see it. 0, or -errno. */
int cplatform_peer_credentials(int socket, int32_t *pid, uint32_t *uid, uint32_t *gid);

/* SO_PEERGROUPS of a connected Unix socket: the supplementary groups of the process at its other end.
 * Returns how many there are, of which at most `capacity` are stored, or -errno. */
int cplatform_peer_groups(int socket, uint32_t *groups, int capacity);
