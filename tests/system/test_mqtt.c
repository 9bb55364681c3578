/* The package mqtt behind the built programs, with a real mosquitto: what is
 * published reaches supd once and in order, whatever is reloaded, killed or
 * restarted meanwhile, and what is sent is published. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/broker.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/shell.h"
#include "tests/system/mqtt.h"

TestSuite(mqtt, .fini = run_fini, .timeout = 180);

/* ---- in and out ---- */

static void
try_both_ways(const char *settings)
{
	struct broker *b = mqtt_start(settings);

	broker_listen(b, "out/#", "got");
	broker_publish(b, "in/a", "-q 1", "one");
	broker_publish(b, "in/b", "-q 0", "two");
	mqtt_await_heard(b, "heard in/a", 1);
	mqtt_await_heard(b, "heard in/b", 1);
	cr_expect_eq(chat_count(b->run, "m", "heard", " one\n"), 1);
	cr_expect_eq(chat_count(b->run, "m", "heard", " two\n"), 1);
	mqtt_send(b, 0, "out/x", "hello there", "sent");
	mqtt_await_file(b, "got", "hello there\n");
	broker_publish(b, "in/a", "-q 1", "/echo back");
	mqtt_await_heard(b, "echo back from mqtt", 1);
	mqtt_end(b);
}

Test(mqtt, takes_what_is_published_and_publishes_what_is_sent)
{
	try_both_ways(TOPICS);
}

Test(mqtt, speaks_3_1_1_as_well)
{
	try_both_ways(TOPICS ", protocol: \"3.1.1\"");
}

Test(mqtt, sends_to_topics_only)
{
	struct broker *b = mqtt_start(TOPICS);

	mqtt_send(b, 1, "out/#", "x", "not_sent");
	mqtt_send(b, 1, "out/+/a", "x", "not_sent");
	cr_expect_eq(broker_count(b, "Received PUBLISH from supd-m"), 0);
	mqtt_send(b, 0, "out", "x", "sent");
	mqtt_end(b);
}

Test(mqtt, takes_any_payload)
{
	struct broker *b = mqtt_start(TOPICS);
	char *file = memory_format("%s/payload", b->run->dir), *path, *raw, *at;
	struct stat status;

	free(shell_expect(b->run, 0, ": > %s", file));
	broker_publish_file(b, "in/empty", file);
	files_overwrite(file, "a\0b", 3);
	broker_publish_file(b, "in/nul", file);
	files_overwrite(file, "\xff\xfe", 2);
	broker_publish_file(b, "in/binary", file);
	files_overwrite(file, "\xd7\xa9\xd7\x9c \xf0\x9f\x90\x9d", 9);
	broker_publish_file(b, "in/bee", file);
	free(shell_expect(b->run, 0,
		"head -c 1048576 /dev/zero | tr '\\0' x > %s", file));
	broker_publish_file(b, "in/large", file);
	mqtt_await_heard(b, "heard in/", 5);
	cr_expect_eq(chat_count(b->run, "m", "heard",
			     "\xd7\xa9\xd7\x9c \xf0\x9f\x90\x9d\n"),
		1);
	raw = chat_file(b->run, "m", "raw");
	cr_expect(strstr(raw, "in/empty \"\""), "%s", raw);
	cr_expect(strstr(raw, "\"base64\": \"YQBi\""), "%s", raw);
	cr_expect(strstr(raw, "\"base64\": \"//4=\""), "%s", raw);
	at = strstr(raw, "\"path\": \"");
	cr_assert(at, "%s", raw);
	path = strndup(at + 9, strcspn(at + 9, "\""));
	cr_assert_eq(stat(path, &status), 0, "%s", path);
	cr_expect_eq(status.st_size, 1048576);
	free(path);
	free(raw);
	free(file);
	mqtt_end(b);
}

Test(mqtt, drops_what_it_can_never_pass_on_and_goes_on)
{
	struct broker *b = mqtt_start(TOPICS ", packet_max: 2KiB");

	free(shell_expect(b->run, 0,
		"mosquitto_pub -h 127.0.0.1 -p %d -q 1 -m long -t "
		"in/$(head -c 600 /dev/zero | tr '\\0' x)",
		b->port));
	run_await_log(b->run, 0, "its topic has more than 512 bytes");
	broker_await(b, "Received PUBACK from supd-m", 1);
	/* More than packet_max the broker does not even send. */
	free(shell_expect(b->run, 0,
		"head -c 4000 /dev/zero | tr '\\0' x | mosquitto_pub -h "
		"127.0.0.1 -p %d -q 1 -s -t in/a",
		b->port));
	broker_publish(b, "in/a", "-q 1", "x1");
	mqtt_await_heard(b, "x1", 1);
	mqtt_expect_in_order(b, 1);
	mqtt_end(b);
}

Test(mqtt, passes_properties_on_and_knows_ids_and_senders_by_them)
{
	struct broker *b =
		mqtt_start(TOPICS ", id_property: id, from_property: who");
	char *raw;

	for (int i = 0; i < 2; i++)
		broker_publish(b, "in/a",
			"-q 1 -V 5 -D publish user-property id 4711 "
			"-D publish user-property who ann",
			"/echo once");
	broker_publish(b, "in/a", "-q 1", "last");
	mqtt_await_heard(b, " last\n", 1);
	cr_expect_eq(chat_count(b->run, "m", "heard", "echo once from ann"), 1);
	cr_expect_eq(chat_count(b->run, "m", "heard", "heard in/a 4711"), 1);
	raw = chat_file(b->run, "m", "raw");
	cr_expect(strstr(raw, "\"who\": \"ann\""), "%s", raw);
	free(raw);
	mqtt_end(b);
}

/* ---- acknowledgements ---- */

/* While the store stands still, supd does not say `new`. */
Test(mqtt, acknowledges_only_what_supd_has)
{
	struct broker *b = mqtt_start(TOPICS);
	pid_t store;

	broker_publish(b, "in/n", "-q 1", "x1");
	broker_await(b, "Received PUBACK from supd-m", 1);
	store = mqtt_store(b);
	kill(store, SIGSTOP);
	mqtt_publish_numbers(b, 2, 4);
	broker_await(b, "Sending PUBLISH to supd-m (d0, q1, r0, m4", 1);
	run_announce(b->run, "killed by signal 9");
	mqtt_kill_worker(b);
	kill(store, SIGCONT);
	/* As duplicates, to the next worker, which acknowledges them. */
	broker_await(b, "Sending PUBLISH to supd-m (d1, q1, r0, m4", 1);
	cr_expect_eq(broker_count(b, "Sending PUBLISH to supd-m (d1, q1"), 3);
	broker_await(b, "Received PUBACK from supd-m", 4);
	mqtt_publish_numbers(b, 5, 5);
	mqtt_await_heard(b, " x5\n", 1);
	mqtt_expect_in_order(b, 5);
	cr_expect_eq(broker_count(b, "Received PUBACK from supd-m"), 5);
	mqtt_end(b);
}

/* supd itself stands still when the worker dies: it never saw them. */
Test(mqtt, delivers_again_what_died_with_the_worker)
{
	struct broker *b = mqtt_start(TOPICS);
	pid_t worker = (pid_t)ctl_status_number(b->run, "m", "pid");

	kill(b->run->pid, SIGSTOP);
	mqtt_publish_numbers(b, 1, 3);
	broker_await(b, "Sending PUBLISH to supd-m (d0, q1, r0, m3", 1);
	cr_expect_eq(broker_count(b, "Received PUBACK from supd-m"), 0);
	run_announce(b->run, "killed by signal 9");
	kill(worker, SIGKILL);
	kill(b->run->pid, SIGCONT);
	broker_await(b, "Received PUBACK from supd-m", 3);
	mqtt_await_heard(b, " x3\n", 1);
	mqtt_expect_in_order(b, 3);
	mqtt_end(b);
}

Test(mqtt, takes_each_message_once_when_supd_is_killed)
{
	struct broker *b = mqtt_start(TOPICS);

	mqtt_publish_numbers(b, 1, 50);
	mqtt_await_heard(b, " x1\n", 1);
	run_signal(b->run, SIGKILL);
	run_wait(b->run);
	mqtt_publish_numbers(b, 51, 60);
	run_start(b->run);
	mqtt_await_heard(b, " x60\n", 1);
	broker_await(b, "Received PUBACK from supd-m", 60);
	/* What was with the observer when supd was killed may come twice. */
	for (unsigned i = 1; i <= 60; i++) {
		char text[12];

		snprintf(text, sizeof(text), " x%u\n", i);
		cr_expect_geq(chat_count(b->run, "m", "heard", text), 1);
		cr_expect_leq(chat_count(b->run, "m", "heard", text), 2);
	}
	mqtt_end(b);
}

/* ---- reloads ---- */

Test(mqtt, loses_and_doubles_nothing_over_reloads)
{
	const char *const arguments[] = {"reload", "m", NULL};
	struct broker *b = mqtt_start(TOPICS);
	struct ctl *c;

	for (unsigned i = 0; i < 10; i++) {
		mqtt_publish_numbers(b, 10 * i + 1, 10 * i + 5);
		c = ctl_begin(b->run, 0, arguments);
		mqtt_publish_numbers(b, 10 * i + 6, 10 * i + 10);
		ctl_wait(c);
		cr_expect_eq(c->exit_code, 0, "%s", c->err);
		cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
		ctl_destroy(c);
	}
	mqtt_await_heard(b, " x100\n", 1);
	mqtt_expect_in_order(b, 100);
	cr_expect_eq(ctl_status_number(b->run, "m", "generation"), 11);
	mqtt_end(b);
}

Test(mqtt, keeps_count_of_a_flood_over_reloads_and_kills)
{
	struct broker *b = mqtt_start(TOPICS);
	const unsigned all = 2000;

	mqtt_publish_numbers(b, 1, all);
	run_announce(b->run, "killed by signal 9");
	for (unsigned i = 1; i <= 6; i++) {
		char text[12];

		snprintf(text, sizeof(text), " x%u\n", 200 * i);
		mqtt_await_heard(b, text, 1);
		if (i % 3)
			ctl_destroy(ctl_expect(b->run, 0, "reload", "m", NULL));
		else
			mqtt_kill_worker(b);
		ctl_await_state(b->run, "m", "serving");
	}
	mqtt_await_heard(b, " x2000\n", 1);
	mqtt_expect_in_order(b, all);
	mqtt_end(b);
}

Test(mqtt, subscribes_what_is_new_and_unsubscribes_what_is_gone)
{
	struct broker *b = mqtt_start("topics: [in/a, {topic: in/b, qos: 0}]");

	mqtt_set_up(b, "topics: [in/b, in/c], client_id: supd-m");
	ctl_destroy(ctl_expect(b->run, 0, "apply", NULL));
	ctl_await_shown(b->run, "m", "channels.0.state", "up");
	broker_await(b, "Received UNSUBSCRIBE from supd-m", 1);
	broker_publish(b, "in/a", "-q 1", "gone");
	broker_publish(b, "in/b", "-q 1", "there");
	broker_publish(b, "in/c", "-q 1", "new");
	mqtt_await_heard(b, "heard in/b", 1);
	mqtt_await_heard(b, "heard in/c", 1);
	cr_expect_eq(chat_count(b->run, "m", "heard", "heard in/a"), 0);
	mqtt_end(b);
}

static void
try_retained(const char *settings)
{
	struct broker *b = mqtt_create(settings);

	broker_start(b);
	broker_publish(b, "in/kept", "-q 1 -r", "kept");
	run_start(b->run);
	mqtt_await_heard(b, " kept\n", 1);
	ctl_destroy(ctl_expect(b->run, 0, "reload", "m", NULL));
	run_announce(b->run, "killed by signal 9");
	mqtt_kill_worker(b);
	broker_await(b, "as supd-m", 3); /* the old worker has it back */
	ctl_await_shown(b->run, "m", "channels.0.state", "up");
	broker_publish(b, "in/a", "-q 1", "last");
	mqtt_await_heard(b, " last\n", 1);
	cr_expect_eq(chat_count(b->run, "m", "heard", " kept\n"), 1);
	mqtt_end(b);
}

Test(mqtt, takes_what_is_retained_once)
{
	try_retained(TOPICS);
}

Test(mqtt, takes_what_is_retained_once_with_3_1_1)
{
	try_retained(TOPICS ", protocol: \"3.1.1\"");
}

Test(mqtt, takes_nothing_retained_if_it_is_told_so)
{
	struct broker *b = mqtt_create(TOPICS ", retained: false");

	broker_start(b);
	broker_publish(b, "in/kept", "-q 1 -r", "kept");
	run_start(b->run);
	broker_await(b, "Received PUBACK from supd-m", 1);
	broker_publish(b, "in/a", "-q 1", "last");
	mqtt_await_heard(b, " last\n", 1);
	cr_expect_eq(chat_count(b->run, "m", "heard", " kept\n"), 0);
	mqtt_end(b);
}
