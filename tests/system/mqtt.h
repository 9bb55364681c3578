/* mqtt: a run with a broker, the plugin m (of the package mqtt) with the
 * channel chat, and t (talk-python), which notes what it hears in the folder
 * m.d. */
#pragma once

#include <sys/types.h>

#include "tests/system/broker.h"

#define TOPICS "topics: [\"in/#\"]"

/* settings: more than the server and the name, as the inside of a map. */
struct broker *mqtt_create(const char *settings);
/* The same, and starts both, until the channel is up. */
struct broker *mqtt_start(const char *settings);
/* Writes the configuration with other settings. */
void mqtt_set_up(struct broker *b, const char *settings);
void mqtt_end(struct broker *b);

/* Waits until t has heard the text so often. */
void mqtt_await_heard(struct broker *b, const char *text, unsigned count);
/* Waits until supd has taken so many. */
void mqtt_await_taken(struct broker *b, long count);
/* Waits until the file DIR/NAME has the text. */
void mqtt_await_file(struct broker *b, const char *name, const char *text);
/* Publishes "xFIRST" to "xLAST" on in/n. */
void mqtt_publish_numbers(struct broker *b, unsigned first, unsigned last);
/* "x1" to "xCOUNT" were heard, once each and in order. */
void mqtt_expect_in_order(struct broker *b, unsigned count);
/* Sends by supctl, which must end so, with this state. */
void mqtt_send(struct broker *b, int exit_code, const char *topic,
	const char *text, const char *state);
void mqtt_kill_worker(struct broker *b);
/* The process that writes the messages of the run. */
pid_t mqtt_store(struct broker *b);
