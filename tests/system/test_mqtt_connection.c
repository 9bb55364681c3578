/* The connection of the package mqtt: a broker that is killed, restarted,
 * frozen, wants a password or TLS, or sends more than anybody can take. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/shell.h"
#include "tests/system/mqtt.h"

TestSuite(mqtt_connection, .fini = run_fini, .timeout = 240);

/* ---- a broker that is lost ---- */

static void
try_restart(int signal)
{
	struct broker *b = mqtt_create(TOPICS);

	broker_configure(b, "autosave_on_changes true\nautosave_interval 1");
	broker_start(b);
	run_start(b->run);
	mqtt_publish_numbers(b, 1, 5);
	mqtt_await_heard(b, " x5\n", 1);
	broker_stop(b, signal);
	ctl_await_shown(b->run, "m", "channels.0.state", "waiting");
	broker_start(b);
	ctl_await_shown(b->run, "m", "channels.0.state", "up");
	mqtt_publish_numbers(b, 6, 10);
	mqtt_await_heard(b, " x10\n", 1);
	mqtt_expect_in_order(b, 10);
	mqtt_send(b, 0, "out/x", "hello", "sent");
	cr_expect_eq(ctl_status_number(b->run, "m", "generation"), 1);
	mqtt_end(b);
}

Test(mqtt_connection, comes_back_when_the_broker_was_restarted)
{
	try_restart(SIGTERM);
}

Test(mqtt_connection, comes_back_when_the_broker_was_killed)
{
	try_restart(SIGKILL);
}

Test(mqtt_connection, waits_for_a_broker_and_may_be_reloaded_meanwhile)
{
	struct broker *b = mqtt_create(TOPICS);

	run_start(b->run);
	ctl_await_shown(b->run, "m", "channels.0.state", "waiting");
	ctl_destroy(ctl_run(b->run, "reload", "m", NULL));
	broker_start(b);
	ctl_await_shown(b->run, "m", "channels.0.state", "up");
	mqtt_publish_numbers(b, 1, 1);
	mqtt_await_heard(b, " x1\n", 1);
	mqtt_end(b);
}

Test(mqtt_connection, says_what_the_broker_refuses)
{
	struct broker *b = mqtt_create(TOPICS);
	char *path = memory_format("%s/acl", b->dir);
	char *line = memory_format("acl_file %s", path);

	files_write(path, "topic read #\ntopic write out/allowed\n");
	broker_configure(b, line);
	broker_start(b);
	run_start(b->run);
	ctl_await_shown(b->run, "m", "channels.0.state", "up");
	mqtt_send(b, 1, "out/denied", "x", "not_sent");
	mqtt_send(b, 0, "out/allowed", "x", "sent");
	free(line);
	free(path);
	mqtt_end(b);
}

Test(mqtt_connection, is_lost_to_another_client_of_the_same_id_and_comes_back)
{
	struct broker *b = mqtt_start(TOPICS);

	free(shell_expect(b->run, 0,
		"mosquitto_pub -h 127.0.0.1 -p %d -V 5 -i supd-m -t in/a -m x "
		"-q 1",
		b->port));
	run_await_log(b->run, 0, "chat: The connection was lost; trying again");
	broker_await(b, "as supd-m (p5, c0", 2);
	ctl_await_shown(b->run, "m", "channels.0.state", "up");
	mqtt_publish_numbers(b, 1, 1);
	mqtt_await_heard(b, " x1\n", 1);
	mqtt_end(b);
}

/* ---- passwords ---- */

#define USER TOPICS ", username: ann, connect_timeout: 30s, password: "

/* mosquitto_pub has to log in, too. */
static void
publish_as_ann(struct broker *b, const char *password, const char *text)
{
	char *options = memory_format("-q 1 -u ann -P %s", password);

	broker_publish(b, "in/n", options, text);
	free(options);
}

static struct broker *
start_with_password(void)
{
	struct broker *b = mqtt_create(USER "first");

	broker_set_password(b, "ann", "first");
	broker_start(b);
	run_start(b->run);
	ctl_await_shown(b->run, "m", "channels.0.state", "up");
	return b;
}

/* mosquitto reads its passwords again. */
static void
change_password(struct broker *b, const char *password)
{
	unsigned before = broker_count(b, "Reloading config");

	broker_set_password(b, "ann", password);
	kill(b->pid, SIGHUP);
	broker_await(b, "Reloading config", before + 1);
}

Test(mqtt_connection, tells_that_the_password_is_wrong_and_tries_again)
{
	struct broker *b = mqtt_create(USER "wrong");

	broker_set_password(b, "ann", "right");
	broker_start(b);
	run_start(b->run);
	ctl_await_shown(b->run, "m", "channels.0.state", "waiting");
	run_await_log(b->run, 0, "the broker refuses: Not authorized");
	cr_expect_not(run_log_has(b->run, 0, "wrong"));
	change_password(b, "wrong");
	ctl_await_shown(b->run, "m", "channels.0.state", "up");
	mqtt_end(b);
}

Test(mqtt_connection, takes_a_new_password_without_a_reload)
{
	struct broker *b = start_with_password();
	struct ctl *c;

	publish_as_ann(b, "first", "x1");
	mqtt_await_heard(b, " x1\n", 1);
	change_password(b, "second"); /* which ends the connection */
	ctl_await_shown(b->run, "m", "channels.0.state", "login");
	mqtt_set_up(b, USER "second");
	c = ctl_expect(b->run, 0, "apply", NULL);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(b->run, "m", "generation"), 1);
	ctl_await_shown(b->run, "m", "lastReload.mode", "configure");
	broker_await(b, "as supd-m (p5, c0", 2);
	publish_as_ann(b, "second", "x2");
	mqtt_await_heard(b, " x2\n", 1);
	mqtt_expect_in_order(b, 2);
	mqtt_send(b, 0, "out/x", "hello", "sent");
	mqtt_end(b);
}

Test(mqtt_connection, keeps_the_old_connection_if_the_new_password_is_wrong)
{
	struct broker *b = start_with_password();

	mqtt_set_up(b, USER "wrong");
	run_announce(b->run, "Not authorized");
	ctl_destroy(ctl_expect(b->run, 1, "apply", NULL));
	cr_expect_eq(ctl_status_number(b->run, "m", "generation"), 1);
	ctl_await_shown(b->run, "m", "channels.0.state", "up");
	publish_as_ann(b, "first", "x1");
	mqtt_await_heard(b, " x1\n", 1);
	mqtt_send(b, 0, "out/x", "hello", "sent");
	mqtt_end(b);
}

Test(mqtt_connection, loses_and_doubles_nothing_over_new_settings)
{
	struct broker *b = mqtt_start(TOPICS ", connect_timeout: 30s");

	for (unsigned i = 0; i < 10; i++) {
		char settings[100];

		mqtt_publish_numbers(b, 200 * i + 1, 200 * i + 200);
		snprintf(settings, sizeof(settings),
			TOPICS ", connect_timeout: 30s, keepalive: %us",
			61 + i);
		mqtt_set_up(b, settings);
		ctl_destroy(ctl_expect(b->run, 0, "apply", NULL));
	}
	mqtt_await_heard(b, " x2000\n", 1);
	mqtt_expect_in_order(b, 2000);
	cr_expect_eq(ctl_status_number(b->run, "m", "generation"), 1);
	broker_await(b, "as supd-m (p5, c0", 11);
	mqtt_end(b);
}

/* ---- TLS ---- */

#define TLS TOPICS ", tls: {ca: \"%s/ca.pem\"}"

static struct broker *
create_tls(const char *name)
{
	struct broker *b = mqtt_create(TOPICS);
	const char *dir = b->run->dir;
	char *cert, *key, *settings;

	if (!shell_has("openssl"))
		cr_skip_test("needs openssl: apt install openssl");
	free(shell_expect(b->run, 0,
		"cd %s && openssl req -x509 -newkey rsa:2048 -nodes -days 2 "
		"-subj /CN=%s -addext subjectAltName=%s -keyout key.pem -out "
		"ca.pem",
		dir, name, name));
	cert = memory_format("%s/ca.pem", dir);
	key = memory_format("%s/key.pem", dir);
	settings = memory_format(TLS, dir);
	broker_use_tls(b, cert, key);
	mqtt_set_up(b, settings);
	free(settings);
	free(key);
	free(cert);
	broker_start(b);
	return b;
}

static void
publish_tls(struct broker *b, const char *text)
{
	char *options = memory_format(
		"-q 1 --insecure --cafile %s/ca.pem", b->run->dir);

	broker_publish(b, "in/n", options, text);
	free(options);
}

Test(mqtt_connection, uses_tls)
{
	struct broker *b = create_tls("IP:127.0.0.1");
	char *lines = memory_copy_text("x1"), *more;

	run_start(b->run);
	ctl_await_shown(b->run, "m", "channels.0.state", "up");
	for (unsigned i = 2; i <= 300; i++) {
		more = memory_format("%s\nx%u", lines, i);
		free(lines);
		lines = more;
	}
	publish_tls(b, lines);
	free(lines);
	mqtt_await_heard(b, " x300\n", 1);
	mqtt_expect_in_order(b, 300);
	mqtt_send(b, 0, "out/x", "hello", "sent");
	ctl_destroy(ctl_expect(b->run, 0, "reload", "m", NULL));
	publish_tls(b, "x301");
	mqtt_await_heard(b, " x301\n", 1);
	mqtt_end(b);
}

Test(mqtt_connection, does_not_talk_to_a_certificate_of_another_name)
{
	struct broker *b = create_tls("DNS:elsewhere.example");

	run_start(b->run);
	ctl_await_shown(b->run, "m", "channels.0.state", "waiting");
	cr_expect_eq(broker_count(b, "as supd-m"), 0);
	mqtt_end(b);
}

/* ---- more than anybody can take ---- */

/* The store stands still, so nothing is acknowledged. */
Test(mqtt_connection, has_no_more_than_the_window_of_a_flood)
{
	struct broker *b = mqtt_create(TOPICS ", receive_max: 50");
	long before;
	pid_t store, worker;

	broker_configure(b, "max_inflight_messages 1000");
	broker_start(b);
	run_start(b->run);
	mqtt_publish_numbers(b, 1, 1);
	broker_await(b, "Received PUBACK from supd-m", 1);
	store = mqtt_store(b);
	worker = (pid_t)ctl_status_number(b->run, "m", "pid");
	before = process_rss_kib(worker);
	kill(store, SIGSTOP);
	free(shell_expect(b->run, 0,
		"seq 100000 | mosquitto_pub -h 127.0.0.1 -p %d -q 1 -t "
		"in/flood "
		"-l",
		b->port));
	cr_expect_eq(broker_count(b, "Sending PUBLISH to supd-m (d0"), 51);
	cr_expect_lt(process_rss_kib(worker) - before,
		process_worker_growth_max_kib(8 * 1024));
	kill(store, SIGCONT);
	mqtt_await_taken(b, 1000);
	mqtt_end(b);
}

Test(mqtt_connection, stays_up_in_a_flood_of_qos_0)
{
	struct broker *b =
		mqtt_start("topics: [{topic: in/flood, qos: 0}, in/n]");
	pid_t worker = (pid_t)ctl_status_number(b->run, "m", "pid");
	long before = process_rss_kib(worker);

	free(shell_expect(b->run, 0,
		"seq 100000 | mosquitto_pub -h 127.0.0.1 -p %d -q 0 -t "
		"in/flood "
		"-l",
		b->port));
	cr_expect_lt(process_rss_kib(worker) - before,
		process_worker_growth_max_kib(16 * 1024));
	mqtt_publish_numbers(b, 1, 1);
	mqtt_await_heard(b, " x1\n", 1);
	cr_expect_eq(ctl_status_number(b->run, "m", "generation"), 1);
	mqtt_end(b);
}
