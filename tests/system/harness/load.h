/* load: clients in the background on keep-alive connections, a thread each,
 * that count what they see until they are stopped. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#define LOAD_CLIENTS_MAX 16
#define LOAD_PIDS_MAX 64

struct load {
	const char *where, *get, *post; /* post may be NULL */
	unsigned clients;
	int pause_ms; /* between two requests of a client; a pace, no wait */
	pthread_t threads[LOAD_CLIENTS_MAX];
	pthread_mutex_t lock;
	pthread_cond_t more;
	bool stopping;
	/* under the lock: */
	unsigned gets, posts, failed_gets, failed_posts, reconnects;
	char first_failure[256];
	int pids[LOAD_PIDS_MAX]; /* that answered GETs, in order of sight */
	unsigned pid_count;
};

/* l->get and others are set by the caller; 0 clients means 4, pause 1 ms. */
void load_start(
	struct load *l, const char *where, const char *get, const char *post);
/* Waits until `count` more answers have come; the test fails if they do not. */
void load_await(struct load *l, unsigned count);
void load_stop(struct load *l);
/* Stops, and the test fails if any request failed or connection closed. */
void load_stop_clean(struct load *l);
