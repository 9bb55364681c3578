/* peer: the group and the life of a peer. Reading is peer_read.c, writing
 * peer_write.c. */
#include "proto/peer.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/peer_private.h"
#include "proto/util/memory.h"

static void
peer_on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct peer_group *g = container_of(w, struct peer_group, prepare);

	peer_group_flush(g);
	g->spent_us = 0; /* the end of a turn */
}

static bool
peer_group_is_spent(const struct peer_group *g)
{
	return g->turn_us && g->spent_us >= g->turn_us;
}

/* Moves all of `from` to the front of `to`. */
static void
list_move(struct list *from, struct list *to)
{
	while (!list_is_empty(from)) {
		struct list *last = from->previous;

		list_remove(last);
		list_prepend(to, last);
	}
}

/* A share for each of the list, as far as this turn's time goes, but for
 * `at_least` of them in any case. */
static void
serve_list(struct peer_group *g, struct list *list, unsigned at_least)
{
	struct list now;

	list_init(&now);
	list_move(list, &now);
	while (!list_is_empty(&now) && (at_least || !peer_group_is_spent(g))) {
		struct list *next = now.next;

		at_least -= at_least > 0;
		list_remove(next);
		peer_serve(container_of(next, struct peer, waiting_node));
	}
	list_move(&now, list);
}

/* Before those that became readable. */
static void
peer_on_check(struct ev_loop *loop, ev_check *w, int events)
{
	struct peer_group *g = container_of(w, struct peer_group, check);

	serve_list(g, &g->first, 0);
	serve_list(g, &g->waiting, 1);
	if (list_is_empty(&g->first) && list_is_empty(&g->waiting))
		ev_idle_stop(loop, &g->idle);
}

static void
peer_on_idle(struct ev_loop *loop, ev_idle *w, int events)
{
}

static void
wait_for_turn(struct peer *p)
{
	struct peer_group *g = p->group;

	if (p->waiting_node.next != &p->waiting_node)
		return;
	list_append(
		p->bounds.first ? &g->first : &g->waiting, &p->waiting_node);
	ev_idle_start(g->loop, &g->idle);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct peer *p = container_of(w, struct peer, readable);
	struct peer_group *g = p->group;

	if (peer_group_is_spent(g) || !list_is_empty(&g->first) ||
		(!p->bounds.first && !list_is_empty(&g->waiting)))
		wait_for_turn(p);
	else
		peer_serve(p);
}

void
peer_group_init(struct peer_group *g, struct ev_loop *loop)
{
	*g = (struct peer_group){.loop = loop};
	list_init(&g->dirty);
	list_init(&g->first);
	list_init(&g->waiting);
	g->codec = codec_create();
	g->shared = memory_resize(NULL, PEER_SHARED_BYTES);
	ev_prepare_init(&g->prepare, peer_on_prepare);
	ev_set_priority(&g->prepare, EV_MINPRI); /* after all who append */
	ev_prepare_start(loop, &g->prepare);
	ev_check_init(&g->check, peer_on_check);
	ev_set_priority(&g->check, EV_MAXPRI);
	ev_check_start(loop, &g->check);
	ev_idle_init(&g->idle, peer_on_idle);
	ev_set_priority(&g->idle, EV_MINPRI);
	ev_unref(loop); /* they alone do not keep the loop going */
	ev_unref(loop);
}

void
peer_group_finish(struct peer_group *g)
{
	if (!g->loop)
		return;
	assert(list_is_empty(&g->dirty) && list_is_empty(&g->first) &&
		list_is_empty(&g->waiting));
	ev_ref(g->loop);
	ev_ref(g->loop);
	ev_prepare_stop(g->loop, &g->prepare);
	ev_check_stop(g->loop, &g->check);
	ev_idle_stop(g->loop, &g->idle);
	codec_destroy(g->codec);
	free(g->shared);
	while (g->spare_count)
		buffer_finish(&g->spares[--g->spare_count]);
	g->loop = NULL;
}

/* ---- life ---- */

void
peer_init(struct peer *p, struct peer_group *group, int fd,
	const struct peer_ops *ops, void *owner)
{
	*p = (struct peer){
		.group = group, .ops = ops, .owner = owner, .fd = fd};
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	list_init(&p->dirty_node);
	list_init(&p->waiting_node);
	ev_io_init(&p->readable, on_readable, fd, EV_READ);
	ev_io_init(&p->writable, peer_on_writable, fd, EV_WRITE);
	ev_io_start(group->loop, &p->readable);
	peer_write_greeting(p);
}

void
peer_shut(struct peer *p)
{
	if (p->fd < 0)
		return;
	ev_io_stop(p->group->loop, &p->readable);
	ev_io_stop(p->group->loop, &p->writable);
	list_remove(&p->dirty_node);
	list_remove(&p->waiting_node);
	close(p->fd);
	p->fd = -1;
	p->batch_open = p->more = false;
	p->over_since_ms = 0;
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

bool
peer_is_open(const struct peer *p)
{
	return p->fd >= 0;
}

bool
peer_is_deaf(const struct peer *p)
{
	return p->fd >= 0 && p->broken;
}

void
peer_update(struct peer *p)
{
	bool may_read = !p->paused && !p->over_since_ms;

	if (p->fd < 0)
		return;
	if (may_read && p->more)
		wait_for_turn(p);
	if (may_read && !p->more)
		ev_io_start(p->group->loop, &p->readable);
	else
		ev_io_stop(p->group->loop, &p->readable);
}

void
peer_pause(struct peer *p, bool paused)
{
	if (p->fd < 0 || p->broken)
		return;
	p->paused = paused;
	peer_update(p);
}
