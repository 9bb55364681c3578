#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MARK "supd-mqtt-1\n" /* of the file */

/* A record of the file `received`, at its place. */
struct received {
	uint64_t start, serial; /* its id */
	unsigned char digest[SESSION_DIGEST_BYTES];
	uint64_t order;	 /* grows, over workers too */
	uint16_t packet; /* 0: none */
	uint16_t unused[3];
};

struct session {
	int fd; /* of `received` */
	struct received received[SESSION_RECEIVED_MAX];
	unsigned next;	 /* place of the next record */
	uint64_t order;	 /* of the last record */
	uint64_t start;	 /* random: ids of no two workers are the same */
	uint64_t serial; /* grows with each id */
	char *topics_path, *topics_temporary;
	json_t *topics; /* subscribed: filter -> QoS; NULL: not known */
};

/* ---- what came last ---- */

static off_t
place_of(unsigned i)
{
	return (off_t)(sizeof(MARK) + i * sizeof(struct received));
}

static void
find_next(struct session *s)
{
	for (unsigned i = 0; i < SESSION_RECEIVED_MAX; i++)
		if (s->received[i].packet && s->received[i].order > s->order) {
			s->order = s->received[i].order;
			s->next = (i + 1) % SESSION_RECEIVED_MAX;
		}
}

static int
erase(struct session *s)
{
	memset(s->received, 0, sizeof(s->received));
	s->next = 0;
	if (pwrite(s->fd, MARK, sizeof(MARK), 0) != sizeof(MARK) ||
		pwrite(s->fd, s->received, sizeof(s->received), place_of(0)) !=
			sizeof(s->received))
		return -1;
	return 0;
}

static int
load(struct session *s)
{
	char mark[sizeof(MARK)];

	if (pread(s->fd, mark, sizeof(mark), 0) != sizeof(mark) ||
		memcmp(mark, MARK, sizeof(mark)) != 0 ||
		pread(s->fd, s->received, sizeof(s->received), place_of(0)) !=
			sizeof(s->received))
		return erase(s);
	find_next(s);
	return 0;
}

static void
name(uint64_t start, uint64_t serial, char id_out[SESSION_ID_BYTES])
{
	snprintf(id_out, SESSION_ID_BYTES, "%016" PRIx64 "-%" PRIu64, start,
		serial);
}

void
session_id(struct session *s, char id_out[SESSION_ID_BYTES])
{
	name(s->start, ++s->serial, id_out);
}

static const struct received *
find(const struct session *s, uint16_t packet, const unsigned char *digest)
{
	for (unsigned i = 1; i <= SESSION_RECEIVED_MAX; i++) {
		unsigned back = (s->next + SESSION_RECEIVED_MAX - i) %
				SESSION_RECEIVED_MAX;
		const struct received *r = &s->received[back];

		if (r->packet == packet)
			return memcmp(r->digest, digest, sizeof(r->digest))
				       ? NULL
				       : r;
	}
	return NULL;
}

int
session_id_of_packet(struct session *s, uint16_t packet, bool is_duplicate,
	const unsigned char digest[SESSION_DIGEST_BYTES],
	char id_out[SESSION_ID_BYTES])
{
	const struct received *known =
		is_duplicate ? find(s, packet, digest) : NULL;
	struct received *r = &s->received[s->next];

	if (known) {
		name(known->start, known->serial, id_out);
		return 0;
	}
	session_id(s, id_out);
	*r = (struct received){.start = s->start,
		.serial = s->serial,
		.order = ++s->order,
		.packet = packet};
	memcpy(r->digest, digest, sizeof(r->digest));
	s->next = (s->next + 1) % SESSION_RECEIVED_MAX;
	return pwrite(s->fd, r, sizeof(*r),
		       place_of((unsigned)(r - s->received))) == sizeof(*r)
		       ? 0
		       : -1;
}

/* ---- topics ---- */

static void
load_topics(struct session *s)
{
	const char *filter;
	json_t *qos;

	s->topics = json_load_file(s->topics_path, 0, NULL);
	if (!json_is_object(s->topics) ||
		json_object_size(s->topics) > TOPICS_MAX) {
		json_decref(s->topics);
		s->topics = NULL;
	}
	json_object_foreach(s->topics, filter, qos)
	{
		if (!json_is_integer(qos)) {
			json_decref(s->topics);
			s->topics = NULL;
			return;
		}
	}
}

bool
session_begin(struct session *s)
{
	bool had = s->topics != NULL;

	json_decref(s->topics);
	s->topics = NULL;
	unlink(s->topics_path);
	erase(s);
	return had;
}

void
session_compare(const struct session *s, const struct settings *settings,
	bool subscribe_out[TOPICS_MAX], char *unsubscribe_out[TOPICS_MAX + 1])
{
	json_t *left = json_copy(s->topics), *had;
	const char *filter;
	size_t count = 0;

	for (size_t i = 0; i < settings->topic_count; i++) {
		const struct topic *t = &settings->topics[i];

		had = json_object_get(s->topics, t->filter);
		subscribe_out[i] = !had || json_integer_value(had) != t->qos;
		json_object_del(left, t->filter);
	}
	json_object_foreach(left, filter, had)
	{
		unsubscribe_out[count++] = strdup(filter);
	}
	unsubscribe_out[count] = NULL;
	json_decref(left);
}

int
session_subscribed(struct session *s, const struct settings *settings)
{
	json_t *topics = json_object();

	for (size_t i = 0; i < settings->topic_count; i++)
		json_object_set_new(topics, settings->topics[i].filter,
			json_integer(settings->topics[i].qos));
	if (json_equal(topics, s->topics)) {
		json_decref(topics);
		return 0;
	}
	json_decref(s->topics);
	s->topics = topics;
	if (json_dump_file(topics, s->topics_temporary, JSON_COMPACT) ||
		rename(s->topics_temporary, s->topics_path)) {
		unlink(s->topics_path); /* rather none than a wrong one */
		return -1;
	}
	return 0;
}

/* ---- open and close ---- */

static struct session *
fail(struct session *s, char why[256], const char *what)
{
	snprintf(why, 256, "%s: %s", what, strerror(errno));
	session_close(s);
	return NULL;
}

struct session *
session_open(const char *data_dir, char why[256])
{
	struct session *s = calloc(1, sizeof(*s));
	char *path = NULL;

	if (!s)
		return fail(s, why, "the session");
	s->fd = -1;
	if (asprintf(&path, "%s/received", data_dir) < 0 ||
		asprintf(&s->topics_path, "%s/topics.json", data_dir) < 0 ||
		asprintf(&s->topics_temporary, "%s/topics.new", data_dir) < 0)
		return fail(s, why, "the session");
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(path);
	if (s->fd < 0 || load(s))
		return fail(s, why, "the file received of the data folder");
	if (getrandom(&s->start, sizeof(s->start), 0) != sizeof(s->start))
		return fail(s, why, "random bytes");
	load_topics(s);
	return s;
}

void
session_close(struct session *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	json_decref(s->topics);
	free(s->topics_path);
	free(s->topics_temporary);
	free(s);
}
