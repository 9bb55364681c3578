/* session_private: what session.c, register.c and joined.c share. */
#pragma once

#include <ev.h>

#include "link.h"
#include "session.h"
#include "settings.h"
#include "word.h"

enum session_state {
	SESSION_CONNECTING,
	SESSION_REGISTERING,
	SESSION_JOINING,
	SESSION_READY,
	SESSION_LEAVING,
	SESSION_OVER,
};

enum joined { JOIN_WANTED, JOIN_ASKED, JOIN_DONE, JOIN_REFUSED };

struct session {
	struct sup *plugin;
	const struct settings *settings;
	const struct session_ops *ops;
	void *owner;
	struct link *link;
	enum session_state state;
	unsigned holds; /* of enum session_hold */
	char nick[WORD_NICK_MAX + 1];
	unsigned nick_tries;
	ev_timer limit; /* of the connection until it is ready, of the quit */
	ev_timer ping, regain, rejoin;
	bool awaits_pong;
	/* registration */
	bool has_said_user, has_left_caps;
	unsigned offered; /* of the capabilities in register.c */
	bool has_plain;	  /* for SASL */
	/* channels */
	enum joined joined[JOINS_MAX]; /* of those of the settings */
	bool is_listed[JOINS_MAX];     /* all who are there were named */
	char refused[120];	       /* the last reason */
	char looked_for[WORD_NICK_MAX + 1];
	bool has_seen;
	char error[200]; /* the server's last word */
};

/* It is over, with a reason. */
void session_end(struct session *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void session_become(struct session *s, enum session_state state);

/* ---- register.c ---- */
void register_begin(struct session *s);
/* The one that it would ask for is taken. */
void register_other_nick(struct session *s);
/* Takes lines until 001. */
void register_take(struct session *s, const struct line *line);

/* ---- joined.c ---- */
void joined_begin(struct session *s); /* registered */
/* What a line says of the channels. */
void joined_take(struct session *s, const struct line *line);
void joined_ask(struct session *s); /* for those that it is not in */
