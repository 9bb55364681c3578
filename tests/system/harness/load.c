/* load: see load.h. Threads only count; the test judges. */
#include "tests/system/harness/load.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/system/harness/http.h"

static void
note_pid(struct load *l, int pid)
{
	for (unsigned i = 0; i < l->pid_count; i++)
		if (l->pids[i] == pid)
			return;
	if (pid && l->pid_count < LOAD_PIDS_MAX)
		l->pids[l->pid_count++] = pid;
}

static void
note(struct load *l, bool post, bool came, const struct answer *a)
{
	bool good = came && a->status == 200;

	pthread_mutex_lock(&l->lock);
	if (post) {
		l->posts++;
		l->failed_posts += !good;
	} else {
		l->gets++;
		l->failed_gets += !good;
		if (good)
			note_pid(l, answer_pid(a));
	}
	if (!good && !l->first_failure[0])
		snprintf(l->first_failure, sizeof(l->first_failure),
			"%s: %s %d %s", post ? "POST" : "GET",
			came ? "answer" : "no answer", a->status,
			a->body ? a->body : "");
	l->reconnects += !came || a->closes;
	pthread_cond_broadcast(&l->more);
	pthread_mutex_unlock(&l->lock);
}

static bool
is_stopping(struct load *l)
{
	bool stopping;

	pthread_mutex_lock(&l->lock);
	stopping = l->stopping;
	pthread_mutex_unlock(&l->lock);
	return stopping;
}

static void *
ask(void *user)
{
	struct load *l = user;
	struct client c = {.fd = -1};
	unsigned turn = 0;

	while (!is_stopping(l)) {
		bool post = l->post && turn++ % 2, came = false;
		struct answer a = {0};

		if (c.fd >= 0 || client_open(&c, l->where))
			came = post ? client_post(&c, l->post, "body", &a)
				    : client_get(&c, l->get, &a);
		note(l, post, came, &a);
		if (!came || a.closes)
			client_close(&c);
		answer_finish(&a);
		poll(NULL, 0, l->pause_ms);
	}
	client_close(&c);
	return NULL;
}

void
load_start(struct load *l, const char *where, const char *get, const char *post)
{
	pthread_condattr_t attributes;

	l->where = where;
	l->get = get;
	l->post = post;
	l->clients = l->clients ? l->clients : 4;
	l->pause_ms = l->pause_ms ? l->pause_ms : 1;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&l->more, &attributes);
	for (unsigned i = 0; i < l->clients; i++)
		pthread_create(&l->threads[i], NULL, ask, l);
	load_await(l, 2 * l->clients);
}

void
load_await(struct load *l, unsigned count)
{
	struct timespec until;
	unsigned wanted;
	int late = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += HTTP_DEADLINE_MS / 1000;
	pthread_mutex_lock(&l->lock);
	wanted = l->gets + l->posts + count;
	while (l->gets + l->posts < wanted && !late)
		late = pthread_cond_timedwait(&l->more, &l->lock, &until);
	pthread_mutex_unlock(&l->lock);
	cr_assert(!late, "the load came to a stop");
}

void
load_stop(struct load *l)
{
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->clients; i++)
		pthread_join(l->threads[i], NULL);
}

void
load_stop_clean(struct load *l)
{
	load_stop(l);
	cr_expect_eq(l->failed_gets + l->failed_posts, 0,
		"%u of %u GETs and %u of %u POSTs failed; the first: %s",
		l->failed_gets, l->gets, l->failed_posts, l->posts,
		l->first_failure);
	cr_expect_eq(
		l->reconnects, 0, "%u connections were closed", l->reconnects);
}
