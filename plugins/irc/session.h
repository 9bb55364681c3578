/* session: a bot on a server, from the connection to its end: it registers,
 * joins the channels and keeps both, its nick, too. What people say is passed
 * on as it came. */
#pragma once

#include <stdbool.h>

#include "line.h"

struct session;
struct settings;
struct sup;

struct session_ops {
	/* Registered, and each channel has been joined or was refused; once. */
	void (*on_ready)(struct session *s, void *owner);
	/* Every line since the registration, also after session_quit(), once
	 * the session has done its own part. */
	void (*on_line)(
		struct session *s, const struct line *line, void *owner);
	/* It is over, by itself; once. Destroy it, now or later. */
	void (*on_over)(struct session *s, const char *why, void *owner);
};

/* Why a line of a session may wait. */
enum session_hold {
	SESSION_FULL = 1,    /* supd takes no more messages */
	SESSION_WAITING = 2, /* for the end of the session before */
};

/* The settings must stay until it is destroyed. NULL: no memory. */
struct session *session_create(struct sup *p, const struct settings *s,
	const struct session_ops *ops, void *owner);
/* Closes the connection at once; nothing is called any more. NULL is
 * allowed. */
void session_destroy(struct session *s);
/* From now on with another owner. */
void session_set_owner(
	struct session *s, const struct session_ops *ops, void *owner);
/* From now on with these settings, which are of the same connection. */
void session_set_settings(struct session *s, const struct settings *settings);

bool session_is_ready(const struct session *s);
const char *session_nick(const struct session *s);
bool session_is_self(const struct session *s, const char *nick);
bool session_has_wanted_nick(const struct session *s);
/* Asks for the nick of the settings. */
void session_claim_nick(struct session *s);
bool session_is_in(const struct session *s, const char *channel);
/* The first channel that it could not join, and why; or NULL. */
const char *session_refused(const struct session *s, const char **why_out);
/* A nick that it is to look for in its channels, and which is taken; before it
 * is connected. */
void session_look_for(struct session *s, const char *nick);
bool session_has_seen(const struct session *s); /* that one is there */

/* Sends a line, without CR LF. */
void session_say(struct session *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Lines wait while there is a reason. */
void session_hold(struct session *s, enum session_hold why);
void session_release(struct session *s, enum session_hold why);
bool session_is_held(const struct session *s);
/* Says goodbye; on_over is called when the server has closed, or does not. */
void session_quit(struct session *s, const char *reason);
