/* bench: answers that cost nothing, for measuring the gateway. N of `v=N` is
 * read from settings.version_file once at start, so that an answer tells which
 * start it comes from; a file saying EXIT or HANG makes the start fail. */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
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
		offer(p, "GET", "/slow", slow))
		return SUP_FAILED_TO_START;
	return strcmp(version, "HANG") ? SUP_STARTED : SUP_STARTS_LATER;
}

SUP_PLUGIN("bench", "1.0.0", init)
