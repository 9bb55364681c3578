/* broker: a real mosquitto on loopback, in the folder of a run. */
#pragma once

#include "tests/system/harness/run.h"

struct broker {
	struct gateway_run *run;
	char *dir;    /* DIR/broker: its configuration, log and database */
	char *config; /* more lines of it */
	int port;
	pid_t pid; /* 0: not running */
	pid_t listeners[4];
	unsigned listener_count;
};

/* Skips the test if there is none. Freed by broker_end(). */
struct broker *broker_create(struct gateway_run *g);
/* Its certificate and key, PEM files; before it is started. */
void broker_use_tls(struct broker *b, const char *cert, const char *key);
/* More lines of its configuration, for the next start. */
void broker_configure(struct broker *b, const char *lines);
/* A file of passwords with this one entry, for its next start. */
void broker_set_password(struct broker *b, const char *user, const char *word);
void broker_start(struct broker *b); /* until it listens */
/* Sends the signal and waits for its end. */
void broker_stop(struct broker *b, int signal);
void broker_end(struct broker *b); /* stops it if it runs */

/* Publishes each line of the text with mosquitto_pub; options: "-q 1 -r". */
void broker_publish(struct broker *b, const char *topic, const char *options,
	const char *lines);
/* A whole file as one message. */
void broker_publish_file(struct broker *b, const char *topic, const char *path);
/* How often its log has the text, and waits until it has it so often. */
unsigned broker_count(struct broker *b, const char *text);
void broker_await(struct broker *b, const char *text, unsigned count);
/* Begins to listen: what is published on the topic becomes lines of the file
 * DIR/NAME. It ends with the broker. */
void broker_listen(struct broker *b, const char *topic, const char *name);
