/* bench: answers that cost nothing, for measuring the gateway. N of `v=N` is
 * read from settings.version_file once at start, so that an answer tells which
 * start it comes from; a file saying EXIT or HANG makes the start fail. */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_BYTES 128

static char answer[ANSWER_BYTES + 1];

struct slow {
	ev_timer timer;
	struct sup_req *req;
};

static void
hello(struct sup_req *req, void *user)
{
	sup_reply(req, 200, "text/plain", answer, ANSWER_BYTES);
}

static void
echo(struct sup_req *req, void *user)
{
	size_t bytes;
	const void *body = sup_req_body(req, &bytes);

	sup_reply(req, 200, "text/plain", body, bytes);
}

static void
slow_answer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct slow *slow = (struct slow *)timer;

	hello(slow->req, NULL);
	free(slow);
}

/* The query is the number of milliseconds. */
static void
slow(struct sup_req *req, void *user)
{
	struct ev_loop *loop = sup_loop(sup_req_plugin(req));
	struct slow *wait = calloc(1, sizeof(*wait));

	if (!wait) {
		sup_fail(req, SUP_BUSY, "no memory");
		return;
	}
	wait->req = req;
	ev_now_update(loop);
	ev_timer_init(
		&wait->timer, slow_answer, atof(sup_req_query(req)) / 1000, 0);
	ev_timer_start(loop, &wait->timer);
}

/* ---- streams ---- */

#define TICK_SECONDS 0.1
#define PIECE_BYTES (256 * 1024)

static char piece[PIECE_BYTES];

/* Every TICK_SECONDS the monotonic clock in us, so that a client can tell how
 * long an event was on its way. */
static void
tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct slow *ticks = (struct slow *)timer;
	struct timespec now;
	char text[64];
	int length;

	clock_gettime(CLOCK_MONOTONIC, &now);
	length = snprintf(text, sizeof(text), "data: %lld\n\n",
		now.tv_sec * 1000000ll + now.tv_nsec / 1000);
	if (sup_chunk(ticks->req, text, (size_t)length, true) >= 0)
		return;
	ev_timer_stop(loop, timer);
	sup_chunk(ticks->req, "", 0, false);
	free(ticks);
}

static void
ticks(struct sup_req *req, void *user)
{
	struct ev_loop *loop = sup_loop(sup_req_plugin(req));
	struct slow *ticks = calloc(1, sizeof(*ticks));

	if (!ticks) {
		sup_fail(req, SUP_BUSY, "no memory");
		return;
	}
	ticks->req = req;
	sup_reply_begin(req, 200, "text/event-stream");
	/* Each begins when it was asked for, so they spread by themselves. */
	ev_timer_init(&ticks->timer, tick, TICK_SECONDS, TICK_SECONDS);
	ev_timer_start(loop, &ticks->timer);
}

struct bytes_left {
	uint64_t count;
};

static void
more_bytes(struct sup_req *req, void *user)
{
	struct bytes_left *left = user;
	int64_t room;

	do {
		size_t bytes =
			left->count < PIECE_BYTES ? left->count : PIECE_BYTES;

		left->count -= bytes;
		room = sup_chunk(req, piece, bytes, left->count > 0);
		if (room < 0 && left->count)
			sup_chunk(req, "", 0, false);
	} while (room > 0 && left->count);
	if (room < 0 || !left->count)
		free(left);
}

/* The query is the number of bytes. */
static void
many_bytes(struct sup_req *req, void *user)
{
	struct bytes_left *left = malloc(sizeof(*left));

	if (!left) {
		sup_fail(req, SUP_BUSY, "no memory");
		return;
	}
	left->count = strtoull(sup_req_query(req), NULL, 10);
	sup_reply_begin(req, 200, "application/octet-stream");
	sup_on_writable(req, more_bytes, left);
	more_bytes(req, left);
}

static void
read_version(struct sup *p, char *text, int size)
{
	const char *path = sup_setting_string(p, "version_file", NULL);
	FILE *file = path ? fopen(path, "re") : NULL;

	snprintf(text, (size_t)size, "0");
	if (!file)
		return;
	if (!fgets(text, size, file))
		snprintf(text, (size_t)size, "0");
	text[strcspn(text, "\r\n")] = 0;
	fclose(file);
}

static int
offer(struct sup *p, const char *method, const char *path, sup_handler *handler)
{
	const char *prefix = sup_setting_string(p, "prefix", "");
	char whole[256];

	snprintf(whole, sizeof(whole), "%s%s", prefix, path);
	return sup_http(p, method, whole, handler, NULL);
}

static int
init(struct sup *p)
{
	char version[64];
	int length;

	read_version(p, version, sizeof(version));
	if (!strcmp(version, "EXIT")) {
		fprintf(stderr, "bench: told to exit at start\n");
		exit(3);
	}
	length = snprintf(
		answer, sizeof(answer), "v=%s;p=%d;", version, (int)getpid());
	memset(answer + length, '.', (size_t)(ANSWER_BYTES - length));
	answer[ANSWER_BYTES - 1] = '\n';
	if (offer(p, "GET", "/hello", hello) ||
		offer(p, "POST", "/hello", echo) ||
		offer(p, "GET", "/slow", slow) ||
		offer(p, "GET", "/ticks", ticks) ||
		offer(p, "GET", "/bytes", many_bytes))
		return SUP_FAILED_TO_START;
	return strcmp(version, "HANG") ? SUP_STARTED : SUP_STARTS_LATER;
}

SUP_PLUGIN("bench", "1.0.0", init)
