/* process: the child that watches. It is started when there is something to
 * watch, and again if it ends, after growing pauses; then everything counts as
 * changed, because changes in between were not seen. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/text.h"
#include "supervisor/plugin/helper.h"
#include "supervisor/watch/parts.h"

#define READ_BYTES (64 * 1024) /* a turn */

/* ---- the socket ---- */

static void
close_socket(struct watch *w)
{
	struct ev_loop *loop = w->gateway->loop;

	if (w->fd < 0)
		return;
	ev_io_stop(loop, &w->readable);
	ev_io_stop(loop, &w->writable);
	close(w->fd);
	w->fd = -1;
	buffer_clear(&w->in);
	buffer_clear(&w->out);
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct watch *w = container_of(io, struct watch, readable);
	ssize_t n = read(w->fd, buffer_reserve(&w->in, READ_BYTES), READ_BYTES);
	const char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_socket(w); /* its end follows */
		return;
	}
	buffer_commit(&w->in, (size_t)n);
	while ((end = memchr(
			buffer_bytes(&w->in), '\n', buffer_length(&w->in)))) {
		const char *at = (const char *)buffer_bytes(&w->in);
		size_t length = (size_t)(end - at);

		report_read(w, at, length);
		buffer_consume(&w->in, length + 1);
	}
	if (buffer_length(&w->in) <= WATCH_LINE_MAX)
		return;
	log_error("watch: a report of its process is too long; killing it");
	child_kill_group(&w->child);
}

static void
flush(struct watch *w)
{
	while (buffer_length(&w->out)) {
		ssize_t n = send(w->fd, buffer_bytes(&w->out),
			buffer_length(&w->out), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* full, or closed: its end follows */
		buffer_consume(&w->out, (size_t)n);
	}
	if (buffer_length(&w->out))
		ev_io_start(w->gateway->loop, &w->writable);
	else
		ev_io_stop(w->gateway->loop, &w->writable);
}

static void
on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	flush(container_of(io, struct watch, writable));
}

/* ---- the child ---- */

static void
send_all(struct watch *w)
{
	list_for_each (node, &w->all) {
		struct watched *d = container_of(node, struct watched, node);

		if (d->order)
			process_send(w, d->order);
	}
}

static void
suspect_all(struct watch *w)
{
	list_for_each_safe (node, &w->all) {
		struct watched *d = container_of(node, struct watched, node);

		d->is_pending = false;
		round_announced(d);
		round_adopted(d);
		if (d != w->config) {
			const struct plugin *p = watched_plugin(d);

			d->is_forced = p && order_has_files(p);
			round_begin(d);
		} else
			w->options.on_config(w->options.user);
	}
}

static void
on_respawn(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct watch *w = container_of(timer, struct watch, respawn);

	process_need(w);
}

static void
await_respawn(struct watch *w, const char *why)
{
	log_error("watch: %s; restarting it in %.1f s", why, w->pause_s);
	ev_timer_stop(w->gateway->loop, &w->respawn);
	ev_timer_init(&w->respawn, on_respawn, w->pause_s, 0);
	ev_timer_start(w->gateway->loop, &w->respawn);
	w->has_restarted = true;
	w->pause_s = w->pause_s * 2 > WATCH_PAUSE_MAX_S ? WATCH_PAUSE_MAX_S
							: w->pause_s * 2;
}

static void
on_end(struct child *c)
{
	struct watch *w = container_of(c, struct watch, child);
	char how[80] = "", why[160];
	int code;

	child_has_ended(c, how, sizeof(how), &code);
	child_read_rest(c);
	child_reap(c);
	close_socket(w);
	text_format(why, sizeof(why), "its process ended (%s)", how);
	if (clock_ms() - w->spawned_ms > WATCH_STEADY_MS)
		w->pause_s = WATCH_PAUSE_MIN_S;
	if (!list_is_empty(&w->all))
		await_respawn(w, why);
}

static void
on_output(struct child *c, enum child_stream stream, struct bytes bytes)
{
	char line[256];

	log_warn("watch: %s", helper_line(line, sizeof(line), bytes));
}

static const struct child_ops child_ops = {
	.on_output = on_output,
	.on_end = on_end,
};

static int
spawn(struct watch *w, struct error *err)
{
	const char *const argv[] = {
		w->gateway->workers.worker_program, LAUNCH_WATCH, NULL};
	static const char *const env[] = {NULL};
	struct child_start start = {.argv = argv, .env = env};

	w->fd = helper_start(&w->child, &w->gateway->workers.children, &start,
		&child_ops, err);
	if (w->fd < 0)
		return -1;
	w->spawned_ms = clock_ms();
	ev_io_init(&w->readable, on_readable, w->fd, EV_READ);
	ev_io_start(w->gateway->loop, &w->readable);
	ev_io_init(&w->writable, on_writable, w->fd, EV_WRITE);
	return 0;
}

void
process_need(struct watch *w)
{
	struct error err;

	if (w->child.pid || list_is_empty(&w->all))
		return;
	ev_timer_stop(w->gateway->loop, &w->respawn);
	if (spawn(w, &err) < 0) {
		await_respawn(w, err.text);
		return;
	}
	w->out_max = SIZE_MAX;
	send_all(w);
	w->out_max = buffer_length(&w->out) + WATCH_ORDERS_MAX;
	if (!w->has_restarted)
		return;
	w->has_restarted = false;
	suspect_all(w);
}

void
process_send(struct watch *w, const char *line)
{
	if (w->fd < 0)
		return; /* sent when the child starts */
	buffer_append_text(&w->out, line);
	flush(w);
	if (buffer_length(&w->out) <= w->out_max)
		return;
	log_error("watch: its process does not read its orders; killing it");
	close_socket(w);
	child_kill_group(&w->child);
}

void
process_order(struct watch *w, const char *verb, const char *key)
{
	json_t *order = json_pack("{s:s}", verb, key);
	char *text = json_dumps(order, JSON_COMPACT);

	json_decref(order);
	process_send(w, text);
	process_send(w, "\n");
	free(text);
}

void
process_stop(struct watch *w)
{
	ev_timer_stop(w->gateway->loop, &w->respawn);
	w->has_restarted = false;
	w->pause_s = WATCH_PAUSE_MIN_S;
	close_socket(w);
	if (!w->child.pid)
		return;
	if (!child_reap_within(&w->child, WATCH_REAP_MS))
		log_warn("watch: its process does not end; leaving it");
}
