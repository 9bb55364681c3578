/* What of the package mqtt needs no broker: its settings, what it remembers of
 * its session, and a message in the terms of supd. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/mqtt/incoming.h"
#include "plugins/mqtt/session.h"
#include "plugins/mqtt/settings.h"
#include "tests/system/harness/files.h"

/* ---- settings ---- */

static const struct {
	const char *json, *why; /* NULL: they are good */
} rows[] = {
	{"{\"server\": \"b:1\"}", NULL},
	{"{\"server\": \"[::1]:1884\", \"topics\": [\"a/#\", {\"topic\": "
	 "\"b/+/c\", \"qos\": 0}]}",
		NULL},
	{"{}", "server is missing"},
	{"{\"server\": \"b:0\"}", "server must be HOST:PORT"},
	{"{\"server\": \"b:x\"}", "server must be HOST:PORT"},
	{"{\"server\": \"b:65536\"}", "server must be HOST:PORT"},
	{"{\"server\": \"::1\"}", "server must be HOST:PORT"},
	{"{\"server\": \"[::1\"}", "server must be HOST:PORT"},
	{"{\"server\": \"[::1]x\"}", "server must be HOST:PORT"},
	{"{\"server\": \":1883\"}", "server must be HOST:PORT"},
	{"{\"server\": \"b\", \"topics\": [\"a/#/b\"]}",
		"topics, number 1: 'a/#/b' is not a topic"},
	{"{\"server\": \"b\", \"topics\": [\"a\", \"a\"]}",
		"topics, number 2: the topic a is there twice"},
	{"{\"server\": \"b\", \"topics\": [{\"topic\": \"a\", \"qos\": 2}]}",
		"qos 2 cannot be acknowledged only after supd has"},
	{"{\"server\": \"b\", \"topics\": [{\"qos\": 1}]}",
		"topics, number 1: a topic has no name"},
	{"{\"server\": \"b\", \"topics\": [1]}", "topics, number 1: must be"},
	{"{\"server\": \"b\", \"publish\": {\"qos\": 3}}",
		"publish: qos must be 0 to 2"},
	{"{\"server\": \"b\", \"publish\": {\"qos\": 2, \"retain\": true}}",
		NULL},
	{"{\"server\": \"b\", \"protocol\": 4}", "protocol must be 5 or"},
	{"{\"server\": \"b\", \"protocol\": \"3.1.1\", \"id_property\": "
	 "\"id\"}",
		"id_property and from_property need protocol: 5"},
	{"{\"server\": \"b\", \"password\": \"secret\"}",
		"password needs a username"},
	{"{\"server\": \"b\", \"tls\": {\"cert\": \"x\"}}",
		"tls needs both of cert and key"},
	{"{\"server\": \"b\", \"receive_max\": 257}", "receive_max"},
	{"{\"server\": \"b\", \"topic\": []}", "unknown setting topic"},
};

Test(mqtt, settings_are_checked)
{
	struct settings s;
	char why[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int rc = settings_read(&s, rows[i].json, why);

		cr_expect_eq(rc, rows[i].why ? -1 : 0, "%s: %s", rows[i].json,
			rc ? why : "good");
		cr_expect(!rows[i].why || (rc && strstr(why, rows[i].why)),
			"%s: %s", rows[i].json, why);
		settings_finish(&s);
	}
}

Test(mqtt, settings_have_defaults)
{
	struct settings s;
	char why[256];

	cr_assert_eq(settings_read(&s,
			     "{\"server\": \"[::1]\", \"tls\": true, "
			     "\"topics\": [\"a\"]}",
			     why),
		0);
	cr_expect_str_eq(s.host, "::1");
	cr_expect_eq(s.port, 8883);
	cr_expect_eq(s.protocol, 5);
	cr_expect_eq(s.topics[0].qos, 1);
	cr_expect_eq(s.publish_qos, 1);
	cr_expect(s.takes_retained);
	settings_finish(&s);
}

/* ---- the session ---- */

static char folder[] = "/tmp/supd-test-mqtt-XXXXXX";

static void
make_folder(void)
{
	cr_assert(mkdtemp(folder));
}

static void
remove_folder(void)
{
	files_remove_tree(folder);
}

TestSuite(mqtt_session, .init = make_folder, .fini = remove_folder);

static struct session *
open_session(void)
{
	char why[256];
	struct session *s = session_open(folder, why);

	cr_assert(s, "%s", why);
	return s;
}

/* content: stands for topic and payload. */
static void
take(struct session *s, unsigned packet, bool is_duplicate, int content,
	char id_out[SESSION_ID_BYTES])
{
	unsigned char digest[SESSION_DIGEST_BYTES] = {
		(unsigned char)content, (unsigned char)(content >> 8)};

	cr_assert_eq(session_id_of_packet(
			     s, (uint16_t)packet, is_duplicate, digest, id_out),
		0);
}

Test(mqtt_session, a_repetition_has_the_same_id_over_workers)
{
	struct session *s = open_session();
	char first[SESSION_ID_BYTES], other[SESSION_ID_BYTES],
		again[SESSION_ID_BYTES];

	take(s, 1, false, 1, first);
	take(s, 2, false, 1, other);
	cr_expect_str_neq(first, other);
	take(s, 1, true, 1, again);
	cr_expect_str_eq(again, first);
	session_close(s);
	s = open_session();
	take(s, 2, true, 1, again);
	cr_expect_str_eq(again, other);
	take(s, 1, true, 1, again);
	cr_expect_str_eq(again, first);
	session_close(s);
}

Test(mqtt_session, what_is_no_repetition_has_an_id_of_its_own)
{
	struct session *s = open_session();
	char first[SESSION_ID_BYTES], next[SESSION_ID_BYTES];

	take(s, 1, false, 1, first);
	take(s, 1, false, 1, next); /* the packet id, given once more */
	cr_expect_str_neq(next, first);
	take(s, 1, true, 2, next); /* other content */
	cr_expect_str_neq(next, first);
	take(s, 9, true, 1, next); /* another packet id */
	cr_expect_str_neq(next, first);
	session_close(s);
}

Test(mqtt_session, a_duplicate_of_what_is_long_acknowledged_is_another_message)
{
	struct session *s = open_session();
	char first[SESSION_ID_BYTES], next[SESSION_ID_BYTES];

	take(s, 1, false, 1, first);
	for (unsigned i = 2; i <= SESSION_RECEIVED_MAX; i++)
		take(s, i, false, 1, next);
	take(s, 1, true, 1, next);
	cr_expect_str_eq(next, first);
	take(s, SESSION_RECEIVED_MAX + 1, false, 1, next);
	take(s, 1, true, 1, next);
	cr_expect_str_neq(next, first);
	session_close(s);
}

Test(mqtt_session, ids_are_never_used_again)
{
	char ids[4 * 700][SESSION_ID_BYTES];
	unsigned count = 0;

	for (int worker = 0; worker < 4; worker++) {
		struct session *s = open_session();

		for (unsigned i = 0; i < 700; i++, count++)
			if (i % 7)
				take(s, 1 + count % 300, false, 1, ids[count]);
			else
				session_id(s, ids[count]);
		session_close(s);
	}
	qsort(ids, count, sizeof(*ids),
		(int (*)(const void *, const void *))strcmp);
	for (unsigned i = 1; i < count; i++)
		cr_assert_str_neq(ids[i], ids[i - 1]);
}

#define RING SESSION_RECEIVED_MAX

Test(mqtt_session, the_last_ones_are_known_however_often_the_ring_went_round)
{
	static char last[RING][SESSION_ID_BYTES];
	const unsigned count = RING + 45;
	char again[SESSION_ID_BYTES];
	struct session *s;

	for (unsigned worker = 0; worker < 5; worker++) {
		s = open_session();
		for (unsigned i = 0; i < count; i++)
			take(s, 1 + i, false, 1, last[i % RING]);
		session_close(s);
	}
	s = open_session();
	for (unsigned i = count - RING; i < count; i++) {
		take(s, 1 + i, true, 1, again);
		cr_expect_str_eq(again, last[i % RING]);
	}
	session_close(s);
}

Test(mqtt_session, a_new_session_knows_nothing)
{
	struct session *s = open_session();
	char first[SESSION_ID_BYTES], next[SESSION_ID_BYTES];

	take(s, 1, false, 1, first);
	cr_expect_not(session_begin(s));
	take(s, 1, true, 1, next);
	cr_expect_str_neq(next, first);
	session_close(s);
}

static void
write_garbage(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	files_write(path, "%s", text);
}

Test(mqtt_session, torn_files_are_begun_anew)
{
	char id[SESSION_ID_BYTES], again[SESSION_ID_BYTES];
	char *unsubscribe[TOPICS_MAX + 1];
	bool subscribe[TOPICS_MAX];
	struct settings settings = {
		.topics = {{(char[]){"a"}, 1}}, .topic_count = 1};
	struct session *s;

	write_garbage("received", "supd-mqtt-1\nxxxxxxxxxxxxxxx");
	write_garbage("topics.json", "{\"a\": \"x\"}");
	s = open_session();
	take(s, 1, false, 1, id);
	take(s, 1, true, 1, again);
	cr_expect_str_eq(id, again);
	session_compare(s, &settings, subscribe, unsubscribe);
	cr_expect(subscribe[0]);
	cr_expect_null(unsubscribe[0]);
	session_close(s);
}

Test(mqtt_session, topics_that_changed_are_found_over_workers)
{
	struct settings old = {.topics = {{(char[]){"a"}, 1},
				       {(char[]){"b"}, 1}, {(char[]){"c"}, 0}},
		.topic_count = 3};
	struct settings new = {.topics = {{(char[]){"b"}, 1},
				       {(char[]){"c"}, 1}, {(char[]){"d"}, 1}},
		.topic_count = 3};
	struct session *s = open_session();
	char *unsubscribe[TOPICS_MAX + 1];
	bool subscribe[TOPICS_MAX];

	cr_assert_eq(session_subscribed(s, &old), 0);
	session_close(s);
	s = open_session();
	session_compare(s, &new, subscribe, unsubscribe);
	cr_expect_not(subscribe[0]);
	cr_expect(subscribe[1]);
	cr_expect(subscribe[2]);
	cr_assert(unsubscribe[0]);
	cr_expect_str_eq(unsubscribe[0], "a");
	cr_expect_null(unsubscribe[1]);
	free(unsubscribe[0]);
	cr_expect(session_begin(s));
	session_compare(s, &new, subscribe, unsubscribe);
	cr_expect(subscribe[0] && subscribe[1] && subscribe[2]);
	cr_expect_null(unsubscribe[0]);
	session_close(s);
}
