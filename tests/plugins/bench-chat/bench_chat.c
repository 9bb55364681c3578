/* bench_chat: a channel that costs nothing, and what handles its messages, for
 * measuring what is between them. The setting `role`:
 *
 * channel  gives `count` messages, `rate` a second (0: as fast as supd takes
 *          them), "/count N" in lane N % `lanes`, once DIR/go is there. When
 * all are answered, DIR/result has the answers and the time from when a message
 * was due to its answer. filter   passes each of them. command  has the command
 * `count`, which adds to DIR/handled: two numbers of 8 bytes, N and the time in
 * us. With `service` there is a service that starts only while there is no
 * DIR/closed. */
#include <ev.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <time.h>
#include <unistd.h>

#define TICK_SECONDS 0.001

static struct sup *plugin;
static ev_timer timer;

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
path_of(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", sup_setting_string(plugin, "dir", "."),
		name);
}

static bool
is_there(const char *name)
{
	char path[512];

	path_of(path, sizeof(path), name);
	return access(path, F_OK) == 0;
}

/* ---- the channel ---- */

static struct {
	int64_t count, rate, lanes;
	int64_t given, answered, seen, refused, lost;
	uint64_t began_us;
	uint32_t *late_us; /* of each message that was taken */
	bool has_room, is_running;
} run;

static uint64_t
due_us(int64_t number)
{
	if (!run.rate)
		return run.began_us;
	return run.began_us + (uint64_t)(number * 1000000 / run.rate);
}

static int
compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static void
write_result(void)
{
	char path[512], whole[512];
	FILE *file;

	qsort(run.late_us, (size_t)run.count, sizeof(*run.late_us), compare);
	path_of(path, sizeof(path), "result.new");
	path_of(whole, sizeof(whole), "result");
	file = fopen(path, "w");
	if (!file)
		return;
	fprintf(file,
		"{\"count\": %lld, \"seen\": %lld, \"refused\": %lld, "
		"\"lost\": %lld, \"p50\": %u, \"p99\": %u, \"max\": %u, "
		"\"tookUs\": %llu}\n",
		(long long)run.answered, (long long)run.seen,
		(long long)run.refused, (long long)run.lost,
		run.late_us[run.count / 2], run.late_us[run.count * 99 / 100],
		run.late_us[run.count - 1],
		(unsigned long long)(now_us() - run.began_us));
	fclose(file);
	rename(path, whole);
}

static void
over(struct sup *p, enum sup_taken how, const char *why, void *user)
{
	intptr_t number = (intptr_t)user;

	run.seen += how == SUP_TAKEN_SEEN;
	run.refused += how == SUP_TAKEN_REFUSED;
	run.lost += how == SUP_NOT_TAKEN;
	run.late_us[number] = (uint32_t)(now_us() - due_us(number));
	if (++run.answered == run.count)
		write_result();
}

static bool
give(int64_t number)
{
	char id[24], lane[24], text[32], cursor[24];
	int length =
		snprintf(cursor, sizeof(cursor), "%lld", (long long)number + 1);
	const struct sup_message m = {
		.id = id,
		.lane = lane,
		.cursor = cursor,
		.cursor_bytes = (size_t)length,
		.from_id = "ann",
		.chat_id = lane,
		.chat_type = SUP_CHAT_GROUP,
		.text = text,
		.over = over,
		.user = (void *)(intptr_t)number,
	};

	snprintf(id, sizeof(id), "m%lld", (long long)number);
	snprintf(lane, sizeof(lane), "l%lld", (long long)(number % run.lanes));
	snprintf(text, sizeof(text), "/count %lld", (long long)number);
	run.given++;
	return sup_channel_receive(plugin, "bench", &m) > 0;
}

static void
go_on(void)
{
	uint64_t now = now_us();

	while (run.has_room && run.given < run.count &&
		due_us(run.given) <= now)
		run.has_room = give(run.given);
}

static void
room(struct sup *p, const char *channel, void *user)
{
	run.has_room = true;
	go_on();
}

static void
tick(struct ev_loop *loop, ev_timer *t, int events)
{
	if (!run.is_running) {
		if (!is_there("go"))
			return;
		run.is_running = true;
		run.began_us = now_us();
	}
	go_on();
}

static void
start(struct sup_req *req, void *user)
{
	run.count = sup_setting_int(plugin, "count", 0);
	run.rate = sup_setting_int(plugin, "rate", 0);
	run.lanes = sup_setting_int(plugin, "lanes", 1);
	run.has_room = true;
	free(run.late_us);
	run.late_us = calloc((size_t)run.count + 1, sizeof(*run.late_us));
	ev_timer_init(&timer, tick, 0, TICK_SECONDS);
	ev_timer_start(sup_loop(plugin), &timer);
	sup_ok(req);
}

static void
stop(struct sup_req *req, void *user)
{
	ev_timer_stop(sup_loop(plugin), &timer);
	sup_ok(req);
}

static void
send_out(struct sup_req *req, void *user)
{
	sup_sent(req, sup_req_arg_string(req, "send_id", ""));
}

/* ---- the handlers ---- */

static int handled = -1;

static void
pass(struct sup_req *req, void *user)
{
	sup_pass(req);
}

static void
count_it(struct sup_req *req, void *user)
{
	uint64_t row[2] = {strtoull(sup_req_text(req), NULL, 10), now_us()};

	if (write(handled, row, sizeof(row)) == (ssize_t)sizeof(row))
		sup_ok(req);
	else
		sup_fail(req, SUP_FAILED, "cannot write");
}

static struct sup_req *waits; /* the start of the service */

static void
look(struct ev_loop *loop, ev_timer *t, int events)
{
	if (is_there("closed"))
		return;
	ev_timer_stop(loop, t);
	sup_ok(waits);
	waits = NULL;
}

static void
serve(struct sup_req *req, void *user)
{
	char path[512];

	waits = req;
	path_of(path, sizeof(path), "waits");
	if (is_there("closed"))
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	ev_timer_init(&timer, look, 0, TICK_SECONDS);
	ev_timer_start(sup_loop(plugin), &timer);
}

static void
serve_no_more(struct sup_req *req, void *user)
{
	sup_ok(req);
}

static int
init(struct sup *p)
{
	const char *role;
	char path[512];

	plugin = p;
	role = sup_setting_string(p, "role", "channel");
	if (!strcmp(role, "filter"))
		return sup_filter(p, "message.inbound", 0, pass, NULL);
	if (!strcmp(role, "channel"))
		return sup_channel(
			p, &(struct sup_channel_offer){.name = "bench",
				   .can = "text",
				   .start = start,
				   .stop = stop,
				   .send = send_out,
				   .room = room});
	path_of(path, sizeof(path), "handled");
	handled = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (handled < 0)
		return -1;
	if (sup_setting_bool(p, "service", false) &&
		sup_service(p, "gate", serve, serve_no_more, NULL) < 0)
		return -1;
	return sup_command(p, "count", "counts", count_it, NULL);
}

SUP_PLUGIN("bench-chat", "1.0.0", init)
