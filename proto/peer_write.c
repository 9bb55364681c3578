/* peer_write: objects into batches, batches into the socket. A failed write
 * calls no callback: reading finds the end after the peer's last messages. */
#include "proto/peer_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/util/clock.h"

#define SPARE_BYTES_MAX ((size_t)128 * 1024)

/* ---- memory ---- */

static void
peer_take_spare(struct peer *p)
{
	struct peer_group *g = p->group;

	if (!p->out.memory && g && g->spare_count)
		p->out = g->spares[--g->spare_count];
}

/* All is written: an idle peer holds no memory. */
static void
peer_give_spare(struct peer *p)
{
	struct peer_group *g = p->group;

	if (!p->out.memory)
		return;
	p->out.start = p->out.end = 0;
	if (p->out.capacity <= SPARE_BYTES_MAX && g->spare_count < PEER_SPARES)
		g->spares[g->spare_count++] = p->out;
	else
		buffer_finish(&p->out);
	p->out = (struct buffer){0};
}

/* ---- batches ---- */

static void
peer_mark_dirty(struct peer *p)
{
	if (p->dirty_node.next == &p->dirty_node)
		list_append(&p->group->dirty, &p->dirty_node);
}

void
peer_write_greeting(struct peer *p)
{
	peer_take_spare(p);
	sp_greeting(buffer_reserve(&p->out, SP_GREETING_BYTES), SP_PAIR0);
	buffer_commit(&p->out, SP_GREETING_BYTES);
	peer_mark_dirty(p);
}

/* Writes the header of the open batch, which ends at out's offset `end`. */
static void
batch_close(struct peer *p, size_t end)
{
	if (!p->batch_open)
		return;
	sp_header(buffer_bytes(&p->out) + p->batch_start,
		end - p->batch_start - SP_HEADER_BYTES);
	p->batch_open = false;
}

static void
batch_open(struct peer *p)
{
	p->batch_start = buffer_length(&p->out);
	p->batch_objects = 0;
	p->batch_open = true;
	buffer_reserve(&p->out, SP_HEADER_BYTES);
	buffer_commit(&p->out, SP_HEADER_BYTES);
}

/* The last object does not fit into the open batch: it begins the next. */
static void
batch_split(struct peer *p)
{
	size_t size = buffer_length(&p->out) - p->object_start;
	uint8_t *object;

	batch_close(p, p->object_start);
	buffer_reserve(&p->out, SP_HEADER_BYTES);
	object = buffer_bytes(&p->out) + p->object_start;
	memmove(object + SP_HEADER_BYTES, object, size);
	buffer_commit(&p->out, SP_HEADER_BYTES);
	p->batch_start = p->object_start;
	p->batch_objects = 0;
	p->batch_open = true;
}

msgpack_packer *
peer_begin(struct peer *p)
{
	peer_take_spare(p);
	codec_packer(&p->packer, &p->out);
	if (p->fd < 0 || p->broken)
		buffer_clear(&p->out);
	else if (!p->batch_open)
		batch_open(p);
	p->object_start = buffer_length(&p->out);
	return &p->packer;
}

uint64_t
peer_over_since_ms(const struct peer *p)
{
	return p->over_since_ms;
}

static void
peer_look_if_over(struct peer *p)
{
	size_t queued = buffer_length(&p->out);

	if (!p->over_since_ms && p->bounds.queued && queued > p->bounds.queued)
		p->over_since_ms = clock_ms();
	else if (p->over_since_ms && queued <= p->bounds.queued / 2)
		p->over_since_ms = 0;
	else
		return;
	peer_update(p);
}

int
peer_end(struct peer *p)
{
	size_t end = buffer_length(&p->out);

	if (p->fd < 0 || p->broken) {
		buffer_finish(&p->out);
		return 0;
	}
	if (end - p->object_start > WIRE_MESSAGE_MAX) {
		if (!p->batch_objects) {
			p->object_start = p->batch_start;
			p->batch_open = false;
		}
		p->out.end = p->out.start + p->object_start;
		if (!buffer_length(&p->out))
			buffer_finish(&p->out);
		return -1;
	}
	if (end - p->batch_start - SP_HEADER_BYTES > WIRE_MESSAGE_MAX)
		batch_split(p);
	p->batch_objects++;
	end = buffer_length(&p->out);
	if (end - p->batch_start - SP_HEADER_BYTES >= WIRE_BATCH_BYTES)
		batch_close(p, end);
	peer_mark_dirty(p);
	peer_look_if_over(p);
	return 0;
}

/* ---- sending ---- */

size_t
peer_backlog(const struct peer *p)
{
	return p->fd < 0 || p->broken ? 0 : buffer_length(&p->out);
}

/* The other side accepts no more; what it sent before must still be read. */
static void
peer_break(struct peer *p)
{
	p->broken = true;
	p->batch_open = p->paused = false;
	p->over_since_ms = 0;
	ev_io_stop(p->group->loop, &p->writable);
	buffer_finish(&p->out);
	peer_update(p);
	ev_feed_event(p->group->loop, &p->readable, EV_READ);
}

/* Sends until all is sent (true) or the socket is full. */
static bool
peer_send(struct peer *p)
{
	size_t length;
	ssize_t sent;

	while ((length = buffer_length(&p->out))) {
		sent = send(p->fd, buffer_bytes(&p->out), length, MSG_NOSIGNAL);
		if (sent > 0) {
			buffer_consume(&p->out, (size_t)sent);
			peer_look_if_over(p);
			if ((size_t)sent < length)
				return false;
		} else if (errno == EAGAIN) {
			return false;
		} else if (errno != EINTR) {
			peer_break(p);
			return true;
		}
	}
	peer_give_spare(p);
	return true;
}

bool
peer_flush(struct peer *p)
{
	bool all;

	list_remove(&p->dirty_node);
	if (p->fd < 0 || p->broken)
		return true;
	batch_close(p, buffer_length(&p->out));
	all = peer_send(p);
	if (!all)
		ev_io_start(p->group->loop, &p->writable);
	return all; /* on_flushed comes from the watcher alone */
}

void
peer_group_flush(struct peer_group *g)
{
	while (!list_is_empty(&g->dirty)) {
		struct peer *p =
			container_of(g->dirty.next, struct peer, dirty_node);

		list_remove(&p->dirty_node);
		if (ev_is_active(&p->writable))
			batch_close(p, buffer_length(&p->out));
		else
			peer_flush(p);
	}
}

void
peer_on_writable(struct ev_loop *loop, ev_io *w, int events)
{
	struct peer *p = container_of(w, struct peer, writable);

	batch_close(p, buffer_length(&p->out));
	if (!peer_send(p) || p->broken)
		return;
	ev_io_stop(loop, w);
	if (p->ops->on_flushed)
		p->ops->on_flushed(p);
}
