/* role: who is at the other end of a control connection and what admin.peers
 * lets them do. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "proto/util/error.h"
#include "supervisor/config/config.h"

struct credentials {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	gid_t *groups; /* supplementary ones; owned */
	size_t group_count;
};

/* From the kernel: SO_PEERCRED and SO_PEERGROUPS. */
int credentials_read(struct credentials *c, int fd, struct error *err);
void credentials_finish(struct credentials *c);

/* The highest role that admin.peers gives; false: none. */
bool role_of(const struct config_admin *admin, const struct credentials *c,
	enum role *role_out);
