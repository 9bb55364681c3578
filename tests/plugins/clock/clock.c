/* clock: schedules as its settings say, for tests. Each tick is a line in
 * DATA/ticks: its id, due time, missed, generation, and when it came. Then it
 * does what `does` says: note (nothing more), err, die, hang, or slow. */
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <time.h>
#include <unistd.h>

#define SLOW_S 0.7

static long long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
note(struct sup_req *req)
{
	struct sup *p = sup_req_plugin(req);
	char path[512], line[512];
	int fd, length;

	snprintf(path, sizeof(path), "%s/ticks", sup_data_dir(p));
	length = snprintf(line, sizeof(line), "%s %lld %llu %u %lld\n",
		sup_req_tick_id(req), (long long)sup_req_due_ms(req),
		(unsigned long long)sup_req_missed(req), sup_generation(p),
		now_ms());
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || write(fd, line, (size_t)length) != length)
		abort();
	close(fd);
}

static void
later(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)events;
	ev_timer_stop(loop, timer);
	if (sup_req_plugin(timer->data))
		sup_ok(timer->data);
	free(timer);
}

static void
answer_later(struct sup_req *req)
{
	ev_timer *timer = malloc(sizeof(*timer));

	if (!timer)
		abort();
	ev_timer_init(timer, later, SLOW_S, 0.);
	timer->data = req;
	ev_timer_start(sup_loop(sup_req_plugin(req)), timer);
}

static void
cancelled(struct sup_req *req, void *user)
{
	(void)user;
	sup_fail(req, SUP_CANCELLED, "cancelled");
}

static void
tick(struct sup_req *req, void *user)
{
	const char *does =
		sup_setting_string(sup_req_plugin(req), "does", "note");

	(void)user;
	note(req);
	if (!strcmp(does, "die"))
		_exit(3);
	if (!strcmp(does, "err"))
		sup_fail(req, SUP_CONFLICT, "as asked");
	else if (!strcmp(does, "hang"))
		sup_on_cancel(req, cancelled, NULL);
	else if (!strcmp(does, "slow"))
		answer_later(req);
	else
		sup_ok(req);
}

static void
exported(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)events;
	ev_timer_stop(loop, timer);
	sup_reply_state(timer->data, "", 0);
	free(timer);
}

static void
export_late(struct sup_req *req, void *user)
{
	ev_timer *timer = malloc(sizeof(*timer));

	(void)user;
	if (!timer)
		abort();
	ev_timer_init(timer, exported, SLOW_S, 0.);
	timer->data = req;
	ev_timer_start(sup_loop(sup_req_plugin(req)), timer);
}

static void
import(struct sup_req *req, void *user)
{
	(void)user;
	sup_ok(req);
}

/* As many more as `count` says, all with the same `when`. */
static int
register_more(struct sup *p, const struct sup_offer *first)
{
	struct sup_offer offer = *first;
	char name[32];

	for (int i = 0; i < sup_setting_int(p, "count", 0); i++) {
		snprintf(name, sizeof(name), "more-%d", i);
		offer.name = name;
		if (sup_register(p, &offer))
			return -1;
	}
	return 0;
}

static void
hello(struct sup_req *req, void *user)
{
	(void)user;
	sup_reply_text(req, 200, "hello\n");
}

static int
init(struct sup *p)
{
	const struct sup_offer offer = {.kind = SUP_SCHEDULE,
		.name = "tick",
		.when = sup_setting_string(p, "when", "every 100ms"),
		.zone = sup_setting_string(p, "zone", NULL),
		.skip_missed = sup_setting_bool(p, "none", false),
		.timeout_ms = (uint32_t)sup_setting_int(p, "timeout", 0),
		.handler = tick};

	sup_state(p, 1, export_late, import, NULL);
	if (sup_http(p, "GET", "/hello", hello, NULL))
		return SUP_FAILED_TO_START;
	if (sup_setting_bool(p, "bare", false))
		return SUP_STARTED;
	if (sup_register(p, &offer) || register_more(p, &offer))
		return SUP_FAILED_TO_START;
	return SUP_STARTED;
}

SUP_PLUGIN("clock", "1.0.0", init)
