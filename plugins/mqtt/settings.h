/* settings: which broker, as whom, which topics, and how to publish. Reads and
 * checks; does nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOPICS_MAX 64
#define TOPIC_BYTES_MAX 512 /* what supd takes as a chat */
#define RECEIVE_MAX 256	    /* what a channel has in progress */

struct topic {
	char *filter;
	int qos; /* 0 or 1 */
};

struct settings {
	char *name; /* of the channel; NULL: the plugin's id */
	char *host;
	int port;
	int protocol;		   /* 4: 3.1.1, or 5 */
	char *client_id;	   /* NULL: made of the plugin's id */
	char *username, *password; /* or NULL */
	bool has_tls;
	char *ca, *cert, *key; /* files; ca NULL: the system's */
	struct topic topics[TOPICS_MAX];
	size_t topic_count;
	bool takes_retained;
	char *id_property, *from_property; /* of MQTT 5; or NULL */
	int publish_qos;
	bool publish_retain;
	uint64_t connect_timeout_ms, keepalive_ms, session_expiry_ms;
	uint64_t receive_max, packet_bytes, file_bytes;
};

/* Reads the settings, which are JSON text. -1 with the reason: what is missing,
 * unknown or wrong, and where; never a secret. Finish them in either case. */
int settings_read(struct settings *s, const char *json, char why[256]);
void settings_finish(struct settings *s);
/* Whether both speak of the same channel and the same session at the broker,
 * so that one may take the place of the other. */
bool settings_is_same_session(
	const struct settings *a, const struct settings *b);
