/* peer_read: from the socket to the callbacks. Callbacks may finish the peer or
 * free its owner, so nothing of it is touched after one unless `gone` is still
 * false. */
#include "proto/peer_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/clock.h"

#define READ_PER_TURN ((size_t)256 * 1024)
/* Of the last messages: a child that outlives its worker may go on writing. */
#define READ_REST_MAX ((size_t)8 * 1024 * 1024)

/* ---- delivering ---- */

/* Everything that outlives a callback while the peer may not. */
struct delivery {
	struct peer *peer;
	struct codec *codec;
	bool gone;    /* the peer is finished: do not touch it */
	bool stopped; /* its share of this turn is used up, or it has to wait */
	unsigned objects;
	uint64_t begun_us;
	struct error err;
};

static bool
delivery_is_over(const struct delivery *d)
{
	return d->gone || d->peer->fd < 0;
}

static bool
delivery_must_stop(struct delivery *d)
{
	const struct peer *p = d->peer;
	const struct peer_bounds *b = &p->bounds;

	if (p->read_all)
		return false;
	d->stopped = p->paused || p->over_since_ms ||
		     (b->objects && d->objects >= b->objects) ||
		     (b->turn_us && d->objects && /* no share is empty */
			     clock_us() - d->begun_us >= b->turn_us);
	return d->stopped;
}

/* Delivers the objects of one frame, from where the last turn stopped.
 * 1: all of them, 0: the rest has to wait, -1: malformed. */
static int
deliver_frame(struct delivery *d, const uint8_t *payload, size_t size)
{
	struct message m;
	size_t offset = d->peer->frame_offset;
	int result;

	while (!delivery_must_stop(d)) {
		result = codec_decode(
			d->codec, payload, size, &offset, &m, &d->err);
		if (result <= 0) {
			d->peer->frame_offset = 0;
			return result < 0 ? -1 : 1;
		}
		d->objects++;
		d->peer->ops->on_message(d->peer, &m);
		if (delivery_is_over(d))
			return 0;
	}
	d->peer->frame_offset = offset;
	return 0;
}

static int
deliver_greeting(struct delivery *d, const uint8_t *bytes)
{
	d->peer->greeted = true;
	return sp_check_greeting(bytes, SP_PAIR0, &d->err);
}

/* Delivers whole frames; *used_out bytes of them. -1: the peer misbehaved. */
static int
deliver(struct delivery *d, const uint8_t *bytes, size_t size, size_t *used_out)
{
	size_t used = 0, payload;
	int result = 1;

	*used_out = 0;
	if (!d->peer->greeted) {
		if (size < SP_GREETING_BYTES)
			return 0;
		if (deliver_greeting(d, bytes) < 0)
			return -1;
		used = SP_GREETING_BYTES;
	}
	while (result > 0) {
		*used_out = used;
		result = sp_frame(bytes + used, size - used, WIRE_MESSAGE_MAX,
			&payload, &d->err);
		if (result <= 0)
			break;
		result = deliver_frame(
			d, bytes + used + SP_HEADER_BYTES, payload);
		used += SP_HEADER_BYTES + payload;
	}
	return result;
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

enum read_result {
	READ_MORE,
	READ_DRY,
	READ_EOF,
	READ_BROKEN,
	READ_OVER,
	READ_STOPPED,
};

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

/* Delivers the `size` bytes at `at`, which are out of the peer's hands during
 * the callbacks, so they may finish it. in: where they are, NULL if that is
 * the shared memory. */
static enum read_result
use(struct delivery *d, struct buffer *in, uint8_t *at, size_t size,
	enum read_result result)
{
	struct peer *p = d->peer;
	size_t used;

	if (deliver(d, at, size, &used) < 0)
		return READ_BROKEN;
	if (delivery_is_over(d))
		return READ_OVER;
	keep_rest(p, in, at + used, size - used);
	p->more = d->stopped && size > used;
	return d->stopped ? READ_STOPPED : result;
}

/* What earlier turns left. */
static enum read_result
use_kept(struct delivery *d)
{
	struct peer *p = d->peer;
	struct buffer in = p->in;
	enum read_result result;

	p->in = (struct buffer){0};
	p->more = false;
	result = use(d, &in, buffer_bytes(&in), buffer_length(&in), READ_MORE);
	buffer_finish(&in);
	return result;
}

/* One read and what it completes. */
static enum read_result
read_once(struct delivery *d, bool use_shared, size_t *read_out)
{
	struct peer *p = d->peer;
	struct buffer in = p->in;
	enum read_result result;
	uint8_t *at;
	size_t room = PEER_SHARED_BYTES;
	ssize_t got;

	use_shared = use_shared && !buffer_length(&in);
	if (!use_shared && buffer_length(&in) && frame_rest(&in) > room)
		room = frame_rest(&in);
	at = use_shared ? p->group->shared : buffer_reserve(&in, room);
	got = read(p->fd, at, room);
	*read_out = got > 0 ? (size_t)got : 0;
	p->in = in;
	if (got <= 0)
		return got ? read_failed(d) : READ_EOF;
	p->in = (struct buffer){0};
	result = (size_t)got == room ? READ_MORE : READ_DRY;
	if (use_shared)
		return use(d, NULL, at, (size_t)got, result);
	buffer_commit(&in, (size_t)got);
	result = use(d, &in, buffer_bytes(&in), buffer_length(&in), result);
	buffer_finish(&in);
	return result;
}

static enum read_result
read_turn(struct delivery *d, bool use_shared)
{
	enum read_result result = READ_MORE;
	size_t total = 0;

	while (result == READ_MORE) {
		size_t size = 0;
		bool to_the_end;

		if (delivery_must_stop(d))
			return READ_STOPPED;
		if (d->peer->more)
			result = use_kept(d);
		else
			result = read_once(d, use_shared, &size);
		if (d->gone)
			return result;
		total += size;
		to_the_end = d->peer->read_all;
		if (result == READ_DRY && size &&
			(to_the_end || d->peer->broken))
			result = READ_MORE; /* until the socket is empty */
		if (result == READ_MORE &&
			total >= (to_the_end ? READ_REST_MAX : READ_PER_TURN))
			result = READ_STOPPED;
	}
	return result;
}

/* The last thing done with a peer: its owner may be gone afterwards. */
static void
peer_end_with(struct peer *p, const char *reason)
{
	peer_shut(p);
	p->ops->on_close(p, reason);
}

static void
peer_read(struct peer *p, struct delivery *d)
{
	struct peer_group *g = p->group;
	bool nested = g->busy;
	enum read_result result;

	d->codec = nested ? codec_create_like(g->codec) : g->codec;
	g->busy = true;
	p->delivering = true;
	p->gone = &d->gone;
	result = read_turn(d, !nested);
	if (!d->gone) {
		p->delivering = p->read_all = false;
		p->gone = NULL;
	}
	if (nested)
		codec_destroy(d->codec);
	else
		g->spent_us += clock_us() - d->begun_us;
	g->busy = nested;
	if (delivery_is_over(d))
		return;
	if (result == READ_BROKEN)
		peer_end_with(p, d->err.text);
	else if (result == READ_EOF || (result == READ_DRY && p->broken))
		peer_end_with(p, NULL);
	else
		peer_update(p);
}

void
peer_serve(struct peer *p)
{
	struct delivery d = {.peer = p, .begun_us = clock_us()};

	ev_clear_pending(p->group->loop, &p->readable); /* once a turn */
	peer_read(p, &d);
}

void
peer_read_now(struct peer *p)
{
	if (p->fd >= 0)
		peer_serve(p);
}

void
peer_read_rest(struct peer *p)
{
	if (p->fd < 0)
		return;
	/* A delivery in progress goes on to the end. */
	p->read_all = true;
	if (!p->delivering)
		peer_serve(p);
}
