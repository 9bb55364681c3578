/* session: what a worker must know of the client's session at the broker to go
 * on with it: which messages came last, by which ids supd knows them, and which
 * topics are subscribed. It is in two files of the plugin's data folder, which
 * outlive a worker that is killed.
 *
 * MQTT has no ids of messages. A message of QoS 1 has a packet id, which means
 * it until it is acknowledged, and is then given to another. If a connection
 * ends before, the broker sends the message again, marked as a duplicate, with
 * the same packet id. So a duplicate is known by its packet id, topic and
 * payload; and only among the last ones: an older one has been acknowledged,
 * and its packet id may belong to another by now. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings.h"

/* More than is unacknowledged at a time: receive_max, and some for brokers that
 * do not keep to that (mosquitto 2.0.11 does not with a backlog). */
#define SESSION_RECEIVED_MAX 1024
#define SESSION_ID_BYTES 40
#define SESSION_DIGEST_BYTES 16

struct session;

/* NULL with the reason: the files cannot be read or written. What is not of
 * this plugin is begun anew. */
struct session *session_open(const char *data_dir, char why[256]);
void session_close(struct session *s);

/* The id of a message that has just come. Of QoS 0: a new one; ids are never
 * used again. */
void session_id(struct session *s, char id_out[SESSION_ID_BYTES]);
/* Of QoS 1: with is_duplicate that of the message that it repeats, if that is
 * known, else a new one, which is kept. -1 with errno: it could not be kept, so
 * the next worker would not know its repetition; the id is good. */
int session_id_of_packet(struct session *s, uint16_t packet, bool is_duplicate,
	const unsigned char digest[SESSION_DIGEST_BYTES],
	char id_out[SESSION_ID_BYTES]);
/* The broker has begun a new session: no message is a repetition, and no topic
 * is subscribed. Returns whether there had been another. */
bool session_begin(struct session *s);

/* Which topics have to be subscribed (an array for settings->topics), and which
 * have to be unsubscribed: strings that the caller frees, and NULL. */
void session_compare(const struct session *s, const struct settings *settings,
	bool subscribe_out[TOPICS_MAX], char *unsubscribe_out[TOPICS_MAX + 1]);
/* The topics of the settings are now those that are subscribed. -1 with errno:
 * the next worker will subscribe them once more. */
int session_subscribed(struct session *s, const struct settings *settings);
