/* bot: the channel: which session is in use, what becomes of it when the
 * connection is lost, and the starts and stops of supd. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "bucket.h"

struct advance;
struct heard;
struct line;
struct outbox;
struct rotation;
struct session;
struct settings;
struct sup;
struct sup_req;

enum bot_state {
	BOT_STOPPED,
	BOT_STARTING, /* supd waits for the session to be ready */
	BOT_RUNNING,
	BOT_STOPPING, /* what is half sent, then the session, ends */
};

struct bot {
	struct sup *plugin;
	struct settings *settings;
	enum bot_state state;
	struct sup_req *start, *stop; /* to be answered */
	struct session *session;      /* NULL: none, or the next one waits */
	struct outbox *outbox;
	struct heard *heard;
	ev_timer again;		   /* the next try to connect */
	ev_timer stop_limit;	   /* of what is half sent at a stop */
	uint64_t pause_ms;	   /* before the next try */
	uint64_t up_since_ms;	   /* of the session; 0: it is not up */
	struct bucket ctcp;	   /* answers to CTCP */
	struct rotation *rotation; /* NULL: none */
	struct advance *advance;   /* NULL: none */
};

/* Registers the channel. -1 with a message on stderr. */
int bot_create(struct bot *b, struct sup *p, struct settings *s);
/* New settings, from now on; takes them. They are of the same connection as the
 * session, or there is no session. */
void bot_set_settings(struct bot *b, struct settings *s);
/* Connects anew, at once; for settings of another connection. */
void bot_connect(struct bot *b);
/* A line of the session in use, or of the one before it. */
void bot_take_line(struct bot *b, struct session *s, const struct line *line);
/* The session in use is lost. */
void bot_lost(struct bot *b, const char *why);
/* A session is ready, and answers the start. */
void bot_use_first(struct bot *b, struct session *s);
/* A session is ready, and in use from now on. */
void bot_use(struct bot *b, struct session *s);
extern const struct session_ops bot_session_ops;
