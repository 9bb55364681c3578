/* botapi: a double of Telegram's server (tests/system/botapi), a process of its
 * own, and the plugin `telegram` of a run that is its bot. */
#pragma once

#include <jansson.h>

#include "tests/system/harness/double.h"
#include "tests/system/harness/run.h"

#define BOTAPI_TOKEN "1001:first"

struct botapi {
	struct double_server at;
};

void botapi_start(struct botapi *b);
/* With a certificate and its key, files; it speaks TLS at at.tls_port, too. */
void botapi_start_tls(
	struct botapi *b, const char *certificate, const char *key);
void botapi_end(struct botapi *b);
/* One request to /control/…, the inside of a map; it must be answered. */
void botapi_set(struct botapi *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void botapi_say(struct botapi *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* So many messages "number N". */
void botapi_say_some(struct botapi *b, unsigned count);
/* A counter of the bot 1001; 0 if there is none so far. */
long botapi_count(struct botapi *b, const char *key);
/* Waits until it is at least that. */
void botapi_await(struct botapi *b, const char *key, long least);
/* What the bot sent, an array; the caller drops it. */
json_t *botapi_sent(struct botapi *b);
/* The same once there are so many. */
json_t *botapi_await_sent(struct botapi *b, size_t count);

/* Adds the plugin `telegram`: more of its settings, or "", and more of its
 * entry, or "". Its folder, for chat_add_talk(), is DIR/telegram.d. */
void botapi_add(struct gateway_run *g, struct botapi *b, const char *token,
	const char *settings, const char *entry);
/* Waits until a plugin of chat_add_talk() has heard the messages 1 to `count`
 * of chat 42; the test fails unless that is once each, and in order. */
void botapi_expect_heard(struct gateway_run *g, unsigned count);
