/* fuzz_sp: any byte stream into a peer, cut into pieces of any size: the same
 * messages come out however it is cut, and it ends at most once. */
#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct outcome {
	struct peer peer;
	unsigned messages, closes;
	bool broken;
};

static void
on_message(struct peer *p, const struct message *m)
{
	struct outcome *o = p->owner;

	o->messages++;
	if (m->kind == MESSAGE_REQUEST) {
		codec_error(peer_begin(p), m->id, WIRE_NOT_FOUND, "no");
		peer_end(p);
	}
}

static void
on_close(struct peer *p, const char *reason)
{
	struct outcome *o = p->owner;

	assert(!o->closes++);
	o->broken = reason != NULL;
	peer_finish(p);
}

static void
feed(struct outcome *o, struct peer_group *group, const uint8_t *bytes,
	size_t size, size_t piece)
{
	static const struct peer_ops ops = {
		.on_message = on_message, .on_close = on_close};
	int fds[2];

	*o = (struct outcome){0};
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		abort();
	peer_init(&o->peer, group, fds[0], &ops, o);
	for (size_t at = 0; at < size && !o->closes; at += piece) {
		size_t length = size - at < piece ? size - at : piece;

		if (send(fds[1], bytes + at, length, MSG_NOSIGNAL) < 0)
			break;
		ev_run(group->loop, EVRUN_NOWAIT);
	}
	shutdown(fds[1], SHUT_WR);
	while (!o->closes)
		ev_run(group->loop, EVRUN_NOWAIT);
	close(fds[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct peer_group group;
	struct outcome whole, pieces;

	if (!group.loop)
		peer_group_init(&group, ev_loop_new(EVBACKEND_POLL));
	if (size < 1 || size > 16384)
		return 0;
	feed(&whole, &group, bytes + 1, size - 1, size);
	/* small pieces, but not too many: each is a turn of the loop */
	feed(&pieces, &group, bytes + 1, size - 1, 1 + bytes[0] + size / 128);
	assert(whole.messages == pieces.messages);
	assert(whole.broken == pieces.broken);
	return 0;
}
