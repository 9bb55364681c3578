/* peer: life and the reading side. Callbacks may finish the peer or free its
 * owner, so nothing of it is touched after one unless `gone` is still false.
 * The writing side is peer_write.c. */
#include "proto/peer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/peer_write.h"
#include "proto/util/memory.h"

#define SHARED_BYTES ((size_t)64 * 1024)
#define READ_PER_TURN ((size_t)256 * 1024)

static void
peer_on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct peer_group *g = container_of(w, struct peer_group, prepare);

	peer_group_flush(g);
}

void
peer_group_init(struct peer_group *g, struct ev_loop *loop)
{
	*g = (struct peer_group){.loop = loop};
	list_init(&g->dirty);
	g->codec = codec_create();
	g->shared = memory_resize(NULL, SHARED_BYTES);
	ev_prepare_init(&g->prepare, peer_on_prepare);
	ev_set_priority(&g->prepare, EV_MINPRI); /* after all who append */
	ev_prepare_start(loop, &g->prepare);
	ev_unref(loop); /* it alone does not keep the loop going */
}

void
peer_group_finish(struct peer_group *g)
{
	if (!g->loop)
		return;
	assert(list_is_empty(&g->dirty));
	ev_ref(g->loop);
	ev_prepare_stop(g->loop, &g->prepare);
	codec_destroy(g->codec);
	free(g->shared);
	while (g->spare_count)
		buffer_finish(&g->spares[--g->spare_count]);
	g->loop = NULL;
}

/* ---- life ---- */

static void peer_on_readable(struct ev_loop *loop, ev_io *w, int events);

void
peer_init(struct peer *p, struct peer_group *group, int fd,
	const struct peer_ops *ops, void *owner)
{
	*p = (struct peer){
		.group = group, .ops = ops, .owner = owner, .fd = fd};
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	list_init(&p->dirty_node);
	ev_io_init(&p->readable, peer_on_readable, fd, EV_READ);
	ev_io_init(&p->writable, peer_on_writable, fd, EV_WRITE);
	ev_io_start(group->loop, &p->readable);
	peer_write_greeting(p);
}

/* Closes the fd; what is in the buffers is given up. */
static void
peer_shut(struct peer *p)
{
	if (p->fd < 0)
		return;
	ev_io_stop(p->group->loop, &p->readable);
	ev_io_stop(p->group->loop, &p->writable);
	list_remove(&p->dirty_node);
	close(p->fd);
	p->fd = -1;
	p->batch_open = false;
	buffer_finish(&p->in);
	buffer_finish(&p->out);
}

void
peer_finish(struct peer *p)
{
	if (!p->group)
		return;
	peer_shut(p);
	buffer_finish(&p->out); /* what was packed after the end */
	if (p->gone)
		*p->gone = true;
	p->gone = NULL;
	p->group = NULL;
}

void
peer_close(struct peer *p)
{
	if (p->fd < 0)
		return;
	peer_flush(p);
	peer_shut(p);
}

/* The last thing done with a peer: its owner may be gone afterwards. */
static void
peer_end_with(struct peer *p, const char *reason)
{
	peer_shut(p);
	p->ops->on_close(p, reason);
}

bool
peer_is_open(const struct peer *p)
{
	return p->fd >= 0;
}

void
peer_pause(struct peer *p, bool paused)
{
	if (p->fd < 0 || p->paused == paused)
		return;
	p->paused = paused;
	if (paused)
		ev_io_stop(p->group->loop, &p->readable);
	else
		ev_io_start(p->group->loop, &p->readable);
}

/* ---- delivering ---- */

/* Everything that outlives a callback while the peer may not. */
struct delivery {
	struct peer *peer;
	struct codec *codec;
	bool gone; /* the peer is finished: do not touch it */
	struct error err;
};

static bool
delivery_is_over(const struct delivery *d)
{
	return d->gone || d->peer->fd < 0;
}

/* Hands over the objects of one frame. -1: malformed. */
static int
deliver_frame(struct delivery *d, const uint8_t *payload, size_t size)
{
	struct message m;
	size_t offset = 0;
	int result;

	while (!delivery_is_over(d)) {
		result = codec_decode(
			d->codec, payload, size, &offset, &m, &d->err);
		if (result <= 0)
			return result;
		d->peer->ops->on_message(d->peer, &m);
	}
	return 0;
}

static int
deliver_greeting(struct delivery *d, const uint8_t *bytes)
{
	d->peer->greeted = true;
	return sp_check_greeting(bytes, SP_PAIR0, &d->err);
}

/* Delivers what is whole; *used_out bytes of it. -1: the peer misbehaved. */
static int
deliver(struct delivery *d, const uint8_t *bytes, size_t size, size_t *used_out)
{
	size_t used = 0, payload;
	int result;

	*used_out = 0;
	if (!d->peer->greeted) {
		if (size < SP_GREETING_BYTES)
			return 0;
		if (deliver_greeting(d, bytes) < 0)
			return -1;
		used = SP_GREETING_BYTES;
	}
	while (!delivery_is_over(d)) {
		result = sp_frame(bytes + used, size - used, WIRE_MESSAGE_MAX,
			&payload, &d->err);
		if (result <= 0) {
			*used_out = used;
			return result;
		}
		used += SP_HEADER_BYTES;
		if (deliver_frame(d, bytes + used, payload) < 0)
			return -1;
		used += payload;
	}
	return 0;
}

/* ---- reading ---- */

/* Bytes still missing of the frame that `in` begins with, at least one. */
static size_t
frame_rest(const struct buffer *in)
{
	size_t payload = 0, length = buffer_length(in);

	if (sp_frame(buffer_bytes(in), length, WIRE_MESSAGE_MAX, &payload,
		    NULL) != 0 ||
		payload + SP_HEADER_BYTES <= length)
		return 1;
	return payload + SP_HEADER_BYTES - length;
}

enum read_result { READ_MORE, READ_DRY, READ_EOF, READ_BROKEN, READ_OVER };

/* Keeps the `size` bytes at `rest` for the next read. `in` is what was read
 * into, NULL if that was the shared memory. */
static void
keep_rest(struct peer *p, struct buffer *in, const uint8_t *rest, size_t size)
{
	if (in && size > in->capacity / 4) {
		buffer_consume(in, buffer_length(in) - size);
		p->in = *in;
		*in = (struct buffer){0};
	} else if (size) {
		buffer_append(&p->in, rest, size);
	}
}

static enum read_result
read_failed(struct delivery *d)
{
	if (errno == EAGAIN || errno == EINTR)
		return READ_DRY;
	if (errno == ECONNRESET)
		return READ_EOF;
	error_set(&d->err, "cannot read: %s", strerror(errno));
	return READ_BROKEN;
}

/* One read and what it completes. What is read is out of the peer's hands
 * during the callbacks, so they may finish it. */
static enum read_result
read_once(struct delivery *d, bool use_shared, size_t *read_out)
{
	struct peer *p = d->peer;
	struct buffer in = p->in;
	enum read_result result = READ_DRY;
	uint8_t *at;
	size_t room, size, used;
	ssize_t got;

	use_shared = use_shared && !buffer_length(&in);
	p->in = (struct buffer){0};
	room = SHARED_BYTES;
	if (!use_shared && buffer_length(&in) && frame_rest(&in) > room)
		room = frame_rest(&in);
	at = use_shared ? p->group->shared : buffer_reserve(&in, room);
	got = read(p->fd, at, room);
	*read_out = got > 0 ? (size_t)got : 0;
	if (got <= 0) {
		p->in = in;
		return got ? read_failed(d) : READ_EOF;
	}
	if ((size_t)got == room)
		result = READ_MORE;
	if (!use_shared) {
		buffer_commit(&in, (size_t)got);
		at = buffer_bytes(&in);
	}
	size = use_shared ? (size_t)got : buffer_length(&in);
	if (deliver(d, at, size, &used) < 0)
		result = READ_BROKEN;
	else if (delivery_is_over(d))
		result = READ_OVER;
	else
		keep_rest(p, use_shared ? NULL : &in, at + used, size - used);
	buffer_finish(&in);
	return result;
}

static enum read_result
read_turn(struct delivery *d, bool use_shared)
{
	enum read_result result;
	size_t total = 0, size;

	do {
		result = read_once(d, use_shared, &size);
		total += size;
		if (result == READ_DRY && size && !d->gone && d->peer->read_all)
			result = READ_MORE; /* until the socket is empty */
	} while (result == READ_MORE &&
		 (total < READ_PER_TURN || d->peer->read_all));
	return result;
}

/* Reads and delivers; the peer may be gone afterwards. */
static void
peer_read(struct peer *p)
{
	struct peer_group *g = p->group;
	struct delivery d = {.peer = p};
	bool nested = g->busy, to_the_end;
	enum read_result result;

	d.codec = nested ? codec_create() : g->codec;
	g->busy = true;
	p->delivering = true;
	p->gone = &d.gone;
	result = read_turn(&d, !nested);
	to_the_end = !d.gone && p->read_all;
	if (!d.gone) {
		p->delivering = p->read_all = false;
		p->gone = NULL;
	}
	if (nested)
		codec_destroy(d.codec);
	g->busy = nested;
	if (delivery_is_over(&d))
		return;
	if (result == READ_BROKEN)
		peer_end_with(p, d.err.text);
	else if (result == READ_EOF || (to_the_end && p->broken))
		peer_end_with(p, NULL);
}

static void
peer_on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct peer *p = container_of(w, struct peer, readable);

	p->read_all |= p->broken;
	peer_read(p);
}

void
peer_read_rest(struct peer *p)
{
	if (p->fd < 0)
		return;
	p->read_all =
		true; /* a delivery that is under way goes on to the end */
	if (!p->delivering)
		peer_read(p);
}
