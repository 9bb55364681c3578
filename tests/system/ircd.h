/* ircd: a real server of IRC (ngircd) on loopback, and the people on it. Tests
 * may also be the server themselves, to be one that ngircd is not. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "proto/util/buffer.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

struct ircd {
	struct gateway_run *run;
	int port;  /* plain */
	pid_t pid; /* 0: it does not run */
	/* It lets people wait, as it does by default: a second after they came,
	 * and if they say more than three lines at once. */
	bool is_strict;
};

/* Skips the test if there is no ngircd. */
void ircd_needed(void);
/* global: more lines of [Global], options: of other sections, or "". */
void ircd_start(struct ircd *d, struct gateway_run *g, const char *global,
	const char *options);
/* The same port again, with other lines. */
void ircd_start_again(struct ircd *d, const char *global, const char *options);
/* The same server with other lines, from now on; nobody loses a connection. */
void ircd_reread(struct ircd *d, const char *global, const char *options);
void ircd_stop(struct ircd *d); /* it is killed; nobody is told */
void ircd_freeze(struct ircd *d, bool is_frozen);

/* Somebody on a server; or the server's end of a connection. */
struct person {
	struct client client;
	struct buffer all; /* what came, from `seen` on not looked at */
	size_t seen;
	char where[32], line[2048];
};

/* Connects, registers, and joins the channel unless it is NULL. */
void person_come(struct person *p, int port, const char *password,
	const char *nick, const char *channel);
void person_leave(struct person *p); /* without a word */
/* A line, without CR LF. False: the connection is gone. */
bool person_says(struct person *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Waits for a line that has the text; it and what is before it are then seen.
 * The line, without CR LF, is valid until the next call. The test fails at the
 * deadline. */
const char *person_hears(struct person *p, const char *text);
/* How often the text is in all that came, seen or not. */
unsigned person_count(const struct person *p, const char *text);
/* Whether the other end closes, having said anything. */
bool person_sees_close(struct person *p);

/* A server that the test is itself: listens on a port of loopback. */
int ircd_listen(int *port_out);
/* The next connection, as a person. */
void ircd_accept(int fd, struct person *p);
