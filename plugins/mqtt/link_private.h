/* What link.c, link_open.c and link_calls.c share. */
#pragma once

#include "link.h"

enum link_state { DIALING, GREETING, SUBSCRIBING, UP, DEAD };

struct link {
	struct sup *plugin;
	struct ev_loop *loop;
	const struct settings *settings;
	const struct link_events *events;
	void *user;
	struct mosquitto *client;
	struct dial *dial; /* in DIALING */
	enum link_state state;
	int io_events;
	ev_io io;	     /* of the library's socket */
	ev_timer tick;	     /* keep-alive */
	ev_timer deadline;   /* until it is up */
	unsigned unanswered; /* of QoS 1: nothing is written meanwhile */
	unsigned replies;    /* to subscriptions, that are due */
	bool is_paused, is_full;
	bool is_duplicate; /* the message that is being read */
	char *log_prefix;  /* of the line about a message */
	bool needs_person;
	char why[256]; /* the broker's reason to refuse or to close */
};

void link_become_up(struct link *l);
/* Writes and reads what it may. The link may be gone afterwards. */
void link_turn(struct link *l);
/* The link may be gone afterwards; without a reason of the broker's it is why.
 */
void link_go_down(struct link *l, const char *why);
/* A result of the library as text. */
const char *link_explain(int rc);
/* Sets what the library calls. */
void link_calls_set(struct link *l);
/* The reason of the broker as text. */
const char *link_reason(const struct link *l, int code);
