/* looks: see the header. */
#include "worker/watch/looks.h"

#include "proto/util/clock.h"

#define SWEEP_S 2.0
/* How often inotify is checked: some file systems report nothing, and cannot be
 * told from others. */
#define CHECK_S 30.0
#define SHARE 100 /* a sweep takes at most 1/SHARE of a core */
/* Pauses before inotify is tried again after its limits were reached. */
#define RETRY_MIN_S 2.0
#define RETRY_MAX_S 60.0

/* Looks at all trees of that mode; returns how long to wait for the next time.
 */
static double
look_at_all(struct watch *w, bool swept, double pause_s)
{
	uint64_t begun_us = clock_us();
	double took_s;

	list_for_each (node, &w->trees) {
		struct watch_tree *t =
			container_of(node, struct watch_tree, node);

		if ((t->swept_why != NULL) == swept)
			watch_tree_look(t);
	}
	took_s = (double)(clock_us() - begun_us) / 1e6;
	return took_s * SHARE > pause_s ? took_s * SHARE : pause_s;
}

static bool
has_any(const struct watch *w, bool swept)
{
	list_for_each (node, &w->trees)
		if ((container_of(node, struct watch_tree, node)->swept_why !=
			    NULL) == swept)
			return true;
	return false;
}

static void
restart(struct watch *w, ev_timer *timer, double wait_s)
{
	ev_timer_stop(w->host.loop, timer);
	ev_now_update(w->host.loop);
	ev_timer_set(timer, wait_s, 0);
	ev_timer_start(w->host.loop, timer);
}

static void on_events(struct ev_loop *loop, ev_io *io, int events);

static void
open_notify(struct watch *w)
{
	w->host.notify = notify_create();
	if (!w->host.notify)
		return;
	ev_io_init(&w->changed, on_events, notify_fd(w->host.notify), EV_READ);
	ev_io_start(w->host.loop, &w->changed);
}

/* Ends at the first tree that inotify cannot serve yet: there is not enough for
 * the others either. */
static bool
retry_all(struct watch *w)
{
	if (!w->host.notify)
		open_notify(w);
	list_for_each (node, &w->trees) {
		struct watch_tree *t =
			container_of(node, struct watch_tree, node);

		if (t->is_short && !watch_tree_retry(t))
			return false;
	}
	return true;
}

/* Another process may have freed watches or an instance of inotify. */
static void
retry_if_due(struct watch *w)
{
	if (ev_now(w->host.loop) < w->retry_at)
		return;
	if (retry_all(w))
		w->retry_s = RETRY_MIN_S;
	else
		w->retry_s = w->retry_s * 2 < RETRY_MAX_S ? w->retry_s * 2
							  : RETRY_MAX_S;
	w->retry_at = ev_now(w->host.loop) + w->retry_s;
}

static void
on_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct watch *w = container_of(timer, struct watch, sweep);
	double wait_s = look_at_all(w, true, SWEEP_S);

	retry_if_due(w);
	if (has_any(w, true))
		restart(w, timer, wait_s);
	looks_begin(w);
}

static void
on_check(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct watch *w = container_of(timer, struct watch, check);
	double wait_s = look_at_all(w, false, CHECK_S);

	if (has_any(w, false))
		restart(w, timer, wait_s);
}

void
looks_begin(struct watch *w)
{
	if (!ev_is_active(&w->sweep) && has_any(w, true))
		restart(w, &w->sweep, SWEEP_S);
	if (!ev_is_active(&w->check) && has_any(w, false))
		restart(w, &w->check, CHECK_S);
}

void
looks_lost(struct tree_host *host)
{
	struct watch *w = container_of(host, struct watch, host);

	list_for_each (node, &w->trees)
		watch_tree_suspect(container_of(node, struct watch_tree, node));
}

static void
on_events(struct ev_loop *loop, ev_io *io, int events)
{
	struct watch *w = container_of(io, struct watch, changed);

	if (!notify_read(w->host.notify))
		looks_lost(&w->host);
}

void
looks_open(struct watch *w)
{
	w->retry_s = RETRY_MIN_S;
	ev_timer_init(&w->sweep, on_sweep, 0, 0);
	ev_timer_init(&w->check, on_check, 0, 0);
	open_notify(w);
}
