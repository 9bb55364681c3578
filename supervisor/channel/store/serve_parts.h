/* serve_parts: what the parts of serve share, for serve*.c alone. */
#pragma once

#include <ev.h>

#include "proto/peer.h"
#include "supervisor/channel/store/checkpoint.h"
#include "supervisor/channel/store/db.h"
#include "supervisor/channel/store/group.h"
#include "supervisor/channel/store/messages.h"
#include "supervisor/channel/store/prune.h"
#include "supervisor/channel/store/wire.h"

struct serve {
	struct ev_loop *loop;
	struct peer_group peers;
	struct peer peer;
	struct db db;
	struct checkpoint checkpoint;
	unsigned lock_waits;
	struct group group;
	bool is_configured, full_sync;
	uint64_t keep_ms, max_bytes;
	/* The group has failed: what else comes for it is not tried. */
	bool group_failed;
	/* A change was not made, so none is made until supd sends `again`:
	 * later ones would overtake it. */
	bool refuses_changes;
	bool is_over; /* the database has its largest size, nothing can go */
	struct error trouble; /* what supd knows; empty: none */
	struct buffer parts;  /* of the next put */
	struct prune prune;
	bool is_pruning;
	int status;	       /* to exit with */
	uint64_t committed_us; /* when the last group was */
	ev_prepare commit;
	ev_signal term;
	ev_timer reopen, pruner, pause;
};

/* Ends the group: commits, and sends its answers. */
void serve_end_group(struct serve *s);
/* What cannot be mended while running: the process ends, supd starts it again
 * and repeats what was not answered. */
void serve_give_up(struct serve *s, const char *why);
/* "": none */
void serve_set_trouble(struct serve *s, const char *text);
/* A statement has failed: the group with it. */
void serve_fail(struct serve *s);

void serve_request(struct serve *s, const struct message *m);
void serve_look(struct serve *s, enum store_op op, const struct message *m);
void serve_settings(struct serve *s, const struct message *m);

/* The pruner runs in the background, and at once if the size is over. */
void serve_prune_start(struct serve *s);
void serve_prune_stop(struct serve *s);
void serve_prune_look(struct serve *s); /* after a group */
