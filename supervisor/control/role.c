/* role: reads the credentials of a peer from the kernel and finds the role that
 * they give. role_of() is pure. */
#include "supervisor/control/role.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/util/memory.h"

int
credentials_read(struct credentials *c, int fd, struct error *err)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	*c = (struct credentials){0};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		return error_set(
			err, "cannot tell who connected: %s", strerror(errno));
	c->uid = cred.uid;
	c->gid = cred.gid;
	c->pid = cred.pid;
	size = 0;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) ||
		errno != ERANGE)
		return 0; /* no groups, or an old kernel */
	c->groups = memory_alloc(size);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, c->groups, &size))
		size = 0;
	c->group_count = size / sizeof(gid_t);
	return 0;
}

void
credentials_finish(struct credentials *c)
{
	free(c->groups);
	*c = (struct credentials){0};
}

static bool
is_in_group(const struct credentials *c, gid_t gid)
{
	if (c->gid == gid)
		return true;
	for (size_t i = 0; i < c->group_count; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

bool
role_of(const struct config_admin *admin, const struct credentials *c,
	enum role *role_out)
{
	int best = -1;

	for (uint32_t i = 0; i < admin->peers.count; i++) {
		const struct config_peer *peer = &admin->peers.items[i];
		bool applies = peer->is_group ? is_in_group(c, peer->number)
					      : c->uid == peer->number;

		if (applies && peer->role > best)
			best = peer->role;
	}
	if (best >= 0)
		*role_out = (enum role)best;
	return best >= 0;
}
