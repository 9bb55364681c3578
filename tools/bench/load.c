/* load: sends requests at a constant rate, whatever the answers do (open
 * loop), or one after the other on each connection (--closed). Latency counts
 * from the moment the schedule wanted a request sent, so that a stall shows in
 * every request that it delayed. It measures; it judges nothing. */
#include "tools/bench/client.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { CHECK_US = 50000, CLIENTS_MAX = 4096 };

struct load {
	struct target target;
	const char *where, *path, *log;
	unsigned rate, connections, post_percent, timeout_ms, closed;
	double seconds;
	struct client *clients;
	uint16_t *idle; /* ring of clients without a request, fair to all */
	size_t idle_first, idle_count;
	uint64_t next; /* number of the next request */
	unsigned busy, opening;
	bool started, stopping;
	int epoll_fd, timer_fd, signal_fd;
	struct run run;
};

static const struct argp_option options[] = {
	{"rate", 'r', "N", 0, "Requests a second, open loop (2000)", 0},
	{"closed", 'C', "N", 0,
		"N connections, each one request after the "
		"other, instead of a rate",
		0},
	{"connections", 'c', "N", 0, "Keep-alive connections (32)", 0},
	{"seconds", 'd', "S", 0, "How long to send (5)", 0},
	{"post", 'p', "PERCENT", 0, "Share of POST (0)", 0},
	{"path", 'u', "PATH", 0, "What to ask for (/hello)", 0},
	{"timeout", 't', "MS", 0, "When an answer is too late (10000)", 0},
	{"any-body", 'a', NULL, 0,
		"Any 200 is good, \"pid\":N in it is its pid", 0},
	{"log", 'l', "FILE", 0, "Write every record to FILE", 0}, {0}};

static error_t
on_option(int key, char *text, struct argp_state *state)
{
	struct load *l = state->input;
	unsigned number = text ? (unsigned)strtoul(text, NULL, 10) : 0;

	switch (key) {
	case 'r':
		l->rate = number;
		break;
	case 'C':
		l->closed = l->connections = number;
		break;
	case 'c':
		l->connections = number;
		break;
	case 'd':
		l->seconds = strtod(text, NULL);
		break;
	case 'p':
		l->post_percent = number;
		break;
	case 'u':
		l->path = text;
		break;
	case 't':
		l->timeout_ms = number;
		break;
	case 'a':
		l->target.any_body = true;
		break;
	case 'l':
		l->log = text;
		break;
	case ARGP_KEY_ARG:
		if (l->where)
			argp_usage(state);
		l->where = text;
		break;
	case ARGP_KEY_END:
		if (!l->where || !l->rate || !l->connections ||
			l->connections > CLIENTS_MAX || l->post_percent > 100)
			argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp parser = {options, on_option, "HOST:PORT|unix:PATH",
	"Loads an HTTP server and prints what came back as JSON. \"running\" "
	"on stderr says that all connections are open. SIGTERM ends the run.",
	NULL, NULL, NULL};

static uint64_t
due_us(const struct load *l, uint64_t number)
{
	return l->run.start_us + number * 1000000 / l->rate;
}

/* Spreads the POSTs evenly. */
static bool
is_post(const struct load *l, uint64_t number)
{
	return number * l->post_percent % 100 < l->post_percent;
}

static void
start_request(struct load *l, uint64_t when_us)
{
	uint16_t index = l->idle[l->idle_first];
	uint64_t number = l->next++;

	l->idle_first = (l->idle_first + 1) % l->connections;
	l->idle_count--;
	l->busy++;
	client_send(&l->clients[index], when_us, is_post(l, number), number);
}

/* A request that nobody could take in time fails without being sent. */
static void
drop_overdue(struct load *l, uint64_t now_us)
{
	uint64_t timeout_us = (uint64_t)l->timeout_ms * 1000;

	while (due_us(l, l->next) + timeout_us < now_us) {
		struct record late = {.due_us = due_us(l, l->next),
			.end_us = now_us,
			.outcome = RECORD_TIMEOUT};

		late.post = is_post(l, l->next++);
		run_add(&l->run, &late);
	}
}

static void
set_timer(struct load *l, uint64_t at_us)
{
	struct itimerspec when = {0};

	when.it_value.tv_sec = (time_t)(at_us / 1000000);
	when.it_value.tv_nsec = (long)(at_us % 1000000 * 1000);
	timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void
pump(struct load *l)
{
	uint64_t now_us = run_now_us();

	if (!l->started)
		return;
	if (now_us >= l->run.end_us)
		l->stopping = true;
	if (!l->stopping && !l->closed)
		drop_overdue(l, now_us);
	while (!l->stopping && l->idle_count) {
		if (!l->closed && due_us(l, l->next) > now_us)
			break;
		start_request(l, l->closed ? now_us : due_us(l, l->next));
		now_us = run_now_us();
	}
	for (unsigned i = 0; i < l->connections; i++)
		client_expire(
			&l->clients[i], now_us, (uint64_t)l->timeout_ms * 1000);
	if (!l->stopping && !l->closed && l->idle_count &&
		due_us(l, l->next) < now_us + CHECK_US)
		set_timer(l, due_us(l, l->next));
	else
		set_timer(l, now_us + CHECK_US);
}

static void
begin(struct load *l)
{
	l->started = true;
	l->run.start_us = run_now_us();
	l->run.end_us = l->run.start_us + (uint64_t)(l->seconds * 1e6);
	fprintf(stderr, "running\n");
}

static void
on_done(struct client *c, void *user)
{
	struct load *l = user;

	l->idle[(l->idle_first + l->idle_count++) % l->connections] = c->index;
	if (c->has_request) {
		c->has_request = false;
		l->busy--;
		run_add(&l->run, &c->record);
		return;
	}
	if (--l->opening == 0)
		begin(l);
}

static int
descriptor_add(struct load *l, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	event.data.ptr = fd == l->timer_fd ? (void *)&l->timer_fd
					   : (void *)&l->signal_fd;
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void
load_open(struct load *l)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	l->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	l->clients = calloc(l->connections, sizeof(*l->clients));
	l->idle = calloc(l->connections, sizeof(*l->idle));
	if (!l->clients || !l->idle || descriptor_add(l, l->timer_fd) < 0 ||
		descriptor_add(l, l->signal_fd) < 0)
		abort();
	run_init(&l->run);
	l->opening = l->connections;
	for (unsigned i = 0; i < l->connections; i++) {
		struct client *c = &l->clients[i];

		client_init(c, &l->target, l->epoll_fd, (uint16_t)i);
		c->on_done = on_done;
		c->user = l;
		client_connect(c);
	}
}

static void
load_close(struct load *l)
{
	for (unsigned i = 0; i < l->connections; i++) {
		l->run.closed_connections += l->clients[i].closed_by_server;
		l->run.unasked += l->clients[i].unasked;
		client_finish(&l->clients[i]);
	}
	free(l->clients);
	free(l->idle);
	close(l->epoll_fd);
	close(l->timer_fd);
	close(l->signal_fd);
}

static void
handle(struct load *l, const struct epoll_event *event)
{
	uint64_t expirations;

	if (event->data.ptr == &l->timer_fd) {
		if (read(l->timer_fd, &expirations, 8) < 0 && errno != EAGAIN)
			abort();
	} else if (event->data.ptr == &l->signal_fd) {
		l->stopping = true;
	} else {
		client_on_event(event->data.ptr, event->events);
	}
}

/* Ends when the time is over and the last answer is in. -1: the server did
 * not take all connections. */
static int
load_run(struct load *l)
{
	struct epoll_event events[256];
	uint64_t opened_by_us = run_now_us() + (uint64_t)l->timeout_ms * 1000;

	set_timer(l, run_now_us() + CHECK_US);
	while (!l->stopping || l->busy) {
		int n = epoll_wait(l->epoll_fd, events, 256, -1);

		for (int i = 0; i < n; i++)
			handle(l, &events[i]);
		pump(l);
		if (l->started)
			continue;
		if (l->stopping || run_now_us() > opened_by_us)
			return -1;
		set_timer(l, run_now_us() + CHECK_US);
	}
	if (run_now_us() < l->run.end_us)
		l->run.end_us = run_now_us();
	return 0;
}

int
main(int argc, char **argv)
{
	struct load l = {.rate = 2000,
		.connections = 32,
		.timeout_ms = 10000,
		.seconds = 5,
		.path = "/hello"};
	int failed;

	argp_parse(&parser, argc, argv, 0, NULL, &l);
	if (target_parse(&l.target, l.where, l.path) < 0) {
		fprintf(stderr, "load: not an address: %s\n", l.where);
		return 2;
	}
	load_open(&l);
	failed = load_run(&l);
	load_close(&l);
	if (failed) {
		fprintf(stderr, "load: %s did not take %u connections\n",
			l.where, l.connections);
		return 1;
	}
	run_print(&l.run);
	if (l.log && run_save(&l.run, l.log) < 0) {
		fprintf(stderr, "load: %s: %s\n", l.log, strerror(errno));
		failed = 1;
	}
	run_finish(&l.run);
	return failed ? 1 : 0;
}
