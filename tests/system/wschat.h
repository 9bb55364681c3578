/* wschat: the package wschat against a double of its platform
 * (tests/plugins/wschat-double), which runs beside supd, with talk-python as
 * what handles its messages. */
#pragma once

#include <jansson.h>

#include "tests/system/harness/run.h"

#define WSCHAT_QUICK "retry_min: 20ms, retry_max: 300ms"

struct wschat {
	const char *profile;
	struct gateway_run *run;
	pid_t pid; /* of the double */
	int in;	   /* its stdin */
	int port, test_port;
	unsigned said; /* by wschat_many() */
};

/* The double is there; supd is not yet started. pem: NULL, or the file with the
 * key and certificate of the double. Skips the test without node or ws. */
struct wschat *wschat_create(const char *profile, const char *pem);
/* Writes the configuration: `token`, and more settings or ""; one of them may
 * be another app_token. */
void wschat_settings(struct wschat *w, const char *token, const char *more);
/* All of this, and waits until the channel is up. */
struct wschat *wschat_start(const char *profile, const char *more);
void wschat_end(struct wschat *w);

/* Asks the double: "say", with the inside of a map. */
void wschat_ask(struct wschat *w, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* What the double says of itself, at a path; the caller frees. */
json_t *wschat_state(struct wschat *w, const char *path);
long wschat_number(struct wschat *w, const char *path); /* 0 if none */
void wschat_await(struct wschat *w, const char *path, long least);
/* Waits until the bot has sent so many messages, and expects that the last one
 * has this text. */
void wschat_await_sent(struct wschat *w, unsigned count, const char *text);
/* People say so many messages. */
void wschat_many(struct wschat *w, unsigned count);
/* Waits until all of them are heard, once each and in order. */
void wschat_expect_all(struct wschat *w);
/* Waits for so many such lines of what is heard. */
void wschat_await_heard(struct wschat *w, const char *text, unsigned count);
void wschat_await_channel(struct wschat *w, const char *state);
/* Waits until the text of the channel has this in it. */
void wschat_await_text(struct wschat *w, const char *text);
