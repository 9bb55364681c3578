/* outlet: the process supd-export and the socket to it. It is started when
 * there is an endpoint, and again whenever it ends, after growing pauses. The
 * records it held are lost then, and counted; records that still wait in supd
 * go to the next process. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/list.h"
#include "proto/util/text.h"
#include "supervisor/plugin/helper.h"
#include "supervisor/telemetry/frame.h"
#include "supervisor/telemetry/parts.h"

#define READ_BYTES 4096

static struct records *
records_of(struct telemetry *t)
{
	return &t->gateway->workers.tracer.records;
}

static void
close_socket(struct telemetry *t)
{
	if (t->fd < 0)
		return;
	ev_io_stop(t->gateway->loop, &t->readable);
	ev_io_stop(t->gateway->loop, &t->writable);
	ev_timer_stop(t->gateway->loop, &t->flush);
	close(t->fd);
	t->fd = -1;
	t->is_shut = false;
	buffer_clear(&t->in);
}

/* ---- to the process ---- */

static void
note_handed(struct telemetry *t, const uint32_t counts[RECORD_SIGNAL_COUNT])
{
	struct records *r = records_of(t);

	for (int i = 0; i < RECORD_SIGNAL_COUNT; i++)
		r->totals[i].handed += counts[i];
}

/* Makes a frame of all records that wait. False: none does. */
static bool
take_frame(struct telemetry *t)
{
	struct records *r = records_of(t);
	size_t start;

	if (t->are_settings_due) {
		t->are_settings_due = false;
		buffer_append(&t->frame, buffer_bytes(&t->settings),
			buffer_length(&t->settings));
	}
	if (r->count) {
		start = frame_begin(&t->frame);
		buffer_append(&t->frame, buffer_bytes(&r->waiting),
			buffer_length(&r->waiting));
		frame_end(&t->frame, start);
		memcpy(t->frame_counts, r->counts, sizeof(r->counts));
		buffer_clear(&r->waiting);
		memset(r->counts, 0, sizeof(r->counts));
		r->count = 0;
	}
	return buffer_length(&t->frame);
}

/* False: the socket takes no more now. */
static bool
send_frame(struct telemetry *t)
{
	while (buffer_length(&t->frame)) {
		ssize_t n = send(t->fd, buffer_bytes(&t->frame),
			buffer_length(&t->frame), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false; /* full, or closed: its end follows */
		buffer_consume(&t->frame, (size_t)n);
	}
	note_handed(t, t->frame_counts);
	memset(t->frame_counts, 0, sizeof(t->frame_counts));
	return true;
}

void
outlet_flush(struct telemetry *t)
{
	ev_timer_stop(t->gateway->loop, &t->flush);
	if (t->fd < 0 || t->is_shut)
		return;
	while (buffer_length(&t->frame) || take_frame(t))
		if (!send_frame(t)) {
			ev_io_start(t->gateway->loop, &t->writable);
			return;
		}
	ev_io_stop(t->gateway->loop, &t->writable);
	if (!t->is_leaving)
		return;
	shutdown(t->fd, SHUT_WR);
	t->is_shut = true;
}

static void
on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	outlet_flush(container_of(io, struct telemetry, writable));
}

/* ---- from the process ---- */

static void
on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct telemetry *t = container_of(io, struct telemetry, readable);
	ssize_t n = read(t->fd, buffer_reserve(&t->in, READ_BYTES), READ_BYTES);
	const char *at, *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_socket(t); /* its end follows */
		return;
	}
	buffer_commit(&t->in, (size_t)n);
	while ((at = (const char *)buffer_bytes(&t->in),
		end = memchr(at, '\n', buffer_length(&t->in)))) {
		balance_read(t, at, (size_t)(end - at));
		buffer_consume(&t->in, (size_t)(end - at) + 1);
	}
	if (buffer_length(&t->in) <= TELEMETRY_LINE_MAX)
		return;
	telemetry_log(LOG_ERROR,
		"a report of " TELEMETRY_PROGRAM " is too long; killing it");
	child_kill_group(&t->child);
}

/* ---- its start and end ---- */

static void
on_respawn(struct ev_loop *loop, ev_timer *timer, int events)
{
	outlet_start(container_of(timer, struct telemetry, respawn));
}

static void
await_respawn(struct telemetry *t, const char *why)
{
	telemetry_log(LOG_WARN, "%s; restarting it in %.1f s", why, t->pause_s);
	ev_timer_init(&t->respawn, on_respawn, t->pause_s, 0);
	ev_timer_start(t->gateway->loop, &t->respawn);
	t->restarts++;
	t->pause_s = t->pause_s * 2 > TELEMETRY_PAUSE_MAX_S
			     ? TELEMETRY_PAUSE_MAX_S
			     : t->pause_s * 2;
}

static void
on_end(struct child *c)
{
	struct telemetry *t = container_of(c, struct telemetry, child);
	bool was_leaving = t->is_leaving;
	char how[80] = "", why[160];
	int code;

	child_has_ended(c, how, sizeof(how), &code);
	child_read_rest(c);
	child_reap(c);
	if (t->fd >= 0)
		on_readable(t->gateway->loop, &t->readable, EV_READ);
	close_socket(t);
	balance_lost(t);
	t->is_leaving = false;
	if (clock_ms() - t->spawned_ms > TELEMETRY_STEADY_MS)
		t->pause_s = TELEMETRY_PAUSE_MIN_S;
	if (!t->is_on)
		return;
	if (was_leaving) {
		outlet_start(t);
		return;
	}
	text_format(why, sizeof(why), TELEMETRY_PROGRAM " ended (%s)", how);
	await_respawn(t, why);
}

/* Its output goes to the log. */
static void
on_output(struct child *c, enum child_stream stream, struct bytes bytes)
{
	char line[256];

	telemetry_log(LOG_WARN, "%s", helper_line(line, sizeof(line), bytes));
}

static const struct child_ops child_ops = {
	.on_output = on_output,
	.on_end = on_end,
};

static int
spawn(struct telemetry *t, struct error *err)
{
	const char *const argv[] = {TELEMETRY_PROGRAM, NULL};
	static const char *const env[] = {NULL};
	struct child_start start = {
		.program = t->program, .argv = argv, .env = env};

	t->fd = helper_start(&t->child, &t->gateway->workers.children, &start,
		&child_ops, err);
	return t->fd < 0 ? -1 : 0;
}

void
outlet_start(struct telemetry *t)
{
	struct error err;

	ev_timer_stop(t->gateway->loop, &t->respawn);
	if (!t->is_on)
		return;
	t->spawned_ms = clock_ms();
	if (spawn(t, &err) < 0) {
		await_respawn(t, err.text);
		return;
	}
	ev_io_init(&t->readable, on_readable, t->fd, EV_READ);
	ev_io_start(t->gateway->loop, &t->readable);
	ev_io_init(&t->writable, on_writable, t->fd, EV_WRITE);
	t->are_settings_due = true;
	outlet_flush(t);
}

/* The process reads the end of the stream, exports what it has and ends. */
void
outlet_finish(struct telemetry *t)
{
	ev_timer_stop(t->gateway->loop, &t->respawn);
	if (t->fd < 0)
		return;
	t->is_leaving = true;
	outlet_flush(t);
}

/* Sends the records that are left and waits for the end of the process, but not
 * for longer than TELEMETRY_END_MS. */
static void
await_end(struct telemetry *t)
{
	uint64_t due_ms = clock_ms() + TELEMETRY_END_MS, now_ms;
	struct pollfd fds[] = {{.fd = t->child.pidfd, .events = POLLIN},
		{.fd = t->fd, .events = POLLIN}};

	while (!fds[0].revents && (now_ms = clock_ms()) < due_ms) {
		bool is_stuck = t->fd >= 0 && buffer_length(&t->frame);

		fds[1].fd = t->fd;
		fds[1].events = (short)(is_stuck ? POLLIN | POLLOUT : POLLIN);
		if (poll(fds, 2, (int)(due_ms - now_ms)) < 0 && errno != EINTR)
			return;
		if (fds[1].revents & POLLOUT)
			outlet_flush(t);
		else if (fds[1].revents && t->fd >= 0)
			on_readable(t->gateway->loop, &t->readable, EV_READ);
	}
}

void
outlet_stop(struct telemetry *t)
{
	ev_timer_stop(t->gateway->loop, &t->respawn);
	t->is_on = false;
	if (t->child.pid && t->child.pidfd >= 0)
		await_end(t);
	if (t->child.pid && !child_reap_within(&t->child, TELEMETRY_REAP_MS))
		telemetry_log(LOG_WARN, TELEMETRY_PROGRAM " does not end");
	close_socket(t);
}
