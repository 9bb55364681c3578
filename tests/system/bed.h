/* bed: workers without a gateway: a loop, what they share, one plugin, and a
 * record of what was heard. Every wait has a deadline and fails the test. */
#pragma once

#include <stdbool.h>

#include "proto/util/buffer.h"
#include "supervisor/config/config.h"
#include "supervisor/plugin/stage.h"
#include "supervisor/plugin/worker.h"

struct bed {
	struct ev_loop *loop;
	struct wheel wheel;
	struct peer_group peers;
	struct workers workers;
	ev_timer tick, deadline;
	struct config *config;
	struct manifest *manifest;
	json_t *settings;
	struct output *output;
	char dir[64]; /* private, removed at the end */
	char *package;
	const char *refuse; /* what on_declared says, NULL: nothing */
	/* what was heard, over all workers */
	unsigned hellos, declared, proven, drained, orphans, rooms, downs,
		exits, alive;
	enum worker_state was;
	char error[512], exit_text[80];
	struct request *last_orphan;
};

/* package: beneath the build folder. entry: the plugin's entry in supd.yaml as
 * a flow map without braces. manifest: NULL for the package's own. */
void bed_make(struct bed *bed, const char *package, const char *entry,
	const char *manifest);
struct worker_start bed_order(struct bed *bed); /* how bed_start starts */
struct worker *bed_start(struct bed *bed);	/* the package is its folder */
struct worker *bed_start_proven(struct bed *bed); /* and serving */
/* Turns the loop until *count is at least `least`. */
void bed_await(struct bed *bed, const unsigned *count, unsigned least);
void bed_turn_for(struct bed *bed, double seconds); /* nothing is awaited */
void bed_stop(struct bed *bed, struct worker *w);   /* until it is reaped */
/* All workers must be gone; checks that no fd and no child is left. */
void bed_clear(struct bed *bed);
/* The text of the ring, one line each; freed by the caller. */
char *bed_output(const struct bed *bed);

/* A request of a test. */
struct ask {
	struct request request;
	const char *method, *path, *query;
	unsigned ended; /* 1 once it is */
	bool answered, truncated;
	uint64_t status;
	int failure; /* enum request_failure, -1: none */
	struct buffer body;
	struct bed *bed;
	struct worker *worker;
};

void ask_begin(struct ask *ask, struct bed *bed, struct worker *w,
	const char *path, const char *query);
void ask_finish(struct ask *ask);
