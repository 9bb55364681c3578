#include "tests/system/broker.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/shell.h"

extern char **environ;

/* Ports beneath those that the kernel gives to others. */
#define PORT_FIRST 12000
#define PORTS 18000

static int
connect_to(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = connect(fd, (struct sockaddr *)&address, sizeof(address));

	close(fd);
	return rc;
}

/* mosquitto may lie in sbin, which not every user has in PATH. */
static bool
has_mosquitto(void)
{
	const char *path = getenv("PATH");
	char *longer = memory_format(
		"%s:/usr/sbin:/usr/local/sbin", path ? path : "/usr/bin:/bin");

	setenv("PATH", longer, 1);
	free(longer);
	return shell_has("mosquitto") && shell_has("mosquitto_pub");
}

struct broker *
broker_create(struct gateway_run *g)
{
	struct broker *b = memory_alloc(sizeof(*b));

	if (!has_mosquitto())
		cr_skip_test("needs mosquitto: apt install mosquitto "
			     "mosquitto-clients");
	*b = (struct broker){.run = g,
		.dir = memory_format("%s/broker", g->dir),
		.config = memory_copy_text(""),
		.port = PORT_FIRST + (int)(getpid() % PORTS)};
	cr_assert_eq(mkdir(b->dir, 0755), 0);
	while (!connect_to(b->port))
		b->port++;
	return b;
}

void
broker_configure(struct broker *b, const char *lines)
{
	char *more = memory_format("%s%s\n", b->config, lines);

	free(b->config);
	b->config = more;
}

void
broker_use_tls(struct broker *b, const char *cert, const char *key)
{
	char *lines = memory_format("certfile %s\nkeyfile %s", cert, key);

	broker_configure(b, lines);
	free(lines);
}

void
broker_set_password(struct broker *b, const char *user, const char *word)
{
	char *text = shell_expect(b->run, 0,
		"rm -f %s/passwords; touch %s/passwords && chmod 600 "
		"%s/passwords && mosquitto_passwd -b %s/passwords '%s' '%s'",
		b->dir, b->dir, b->dir, b->dir, user, word);

	free(text);
}

static void
write_config(struct broker *b)
{
	char *path = memory_format("%s/mosquitto.conf", b->dir);
	char *passwords = memory_format("%s/passwords", b->dir);
	bool has = files_exist(passwords);

	files_write(path,
		"listener %d 127.0.0.1\nallow_anonymous %s\n%s%s%s\n"
		"persistence true\npersistence_location %s/\n"
		"max_queued_messages 0\nlog_type all\n"
		"log_dest file %s/log\n%s%s",
		b->port, has ? "false" : "true", has ? "password_file " : "",
		has ? passwords : "", "", b->dir, b->dir,
		getuid() ? "" : "user root\n", b->config);
	free(passwords);
	free(path);
}

/* With its output in a file; it dies with this test. */
static pid_t
spawn(const char *output, const char *const *arguments)
{
	const char *all[16] = {"setpriv", "--pdeathsig", "KILL", "--"};
	posix_spawn_file_actions_t actions;
	pid_t pid;

	for (int i = 0; arguments[i]; i++)
		all[i + 4] = arguments[i];
	cr_assert(!posix_spawn_file_actions_init(&actions));
	posix_spawn_file_actions_addopen(
		&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0600);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	cr_assert(!posix_spawnp(&pid, all[0], &actions, NULL,
		(char *const *)(uintptr_t)all, environ));
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

void
broker_start(struct broker *b)
{
	char *path = memory_format("%s/mosquitto.conf", b->dir);
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	write_config(b);
	b->pid = spawn("/dev/null",
		(const char *const[]){"mosquitto", "-c", path, NULL});
	while (connect_to(b->port)) {
		cr_assert_eq(waitpid(b->pid, NULL, WNOHANG), 0,
			"mosquitto has ended");
		cr_assert_lt(clock_ms(), until, "mosquitto does not listen");
		poll(NULL, 0, 5);
	}
	free(path);
}

void
broker_stop(struct broker *b, int signal)
{
	kill(b->pid, signal);
	cr_assert_eq(waitpid(b->pid, NULL, 0), b->pid);
	b->pid = 0;
}

void
broker_end(struct broker *b)
{
	for (unsigned i = 0; i < b->listener_count; i++) {
		kill(b->listeners[i], SIGKILL);
		waitpid(b->listeners[i], NULL, 0);
	}
	if (b->pid)
		broker_stop(b, SIGTERM);
	free(b->config);
	free(b->dir);
	free(b);
}

void
broker_publish(struct broker *b, const char *topic, const char *options,
	const char *lines)
{
	char *path = memory_format("%s/lines", b->dir);

	files_write(path, "%s\n", lines);
	free(shell_expect(b->run, 0,
		"mosquitto_pub -h 127.0.0.1 -p %d -t '%s' %s -l < %s", b->port,
		topic, options, path));
	free(path);
}

void
broker_publish_file(struct broker *b, const char *topic, const char *path)
{
	free(shell_expect(b->run, 0,
		"mosquitto_pub -h 127.0.0.1 -p %d -t '%s' -q 1 -f '%s'",
		b->port, topic, path));
}

unsigned
broker_count(struct broker *b, const char *text)
{
	char *path = memory_format("%s/log", b->dir);
	char *all = files_exist(path) ? files_read(path) : memory_copy_text("");
	unsigned count = 0;

	for (char *at = all; (at = strstr(at, text)); at++)
		count++;
	free(all);
	free(path);
	return count;
}

void
broker_await(struct broker *b, const char *text, unsigned count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	while (broker_count(b, text) < count) {
		cr_assert_lt(clock_ms(), until, "no %u x \"%s\" in its log",
			count, text);
		poll(NULL, 0, 5);
	}
}

void
broker_listen(struct broker *b, const char *topic, const char *name)
{
	unsigned before = broker_count(b, "Sending SUBACK to listener-");
	char *path = memory_format("%s/%s", b->run->dir, name);
	char *id = memory_format("listener-%s", name);
	char port[12];

	snprintf(port, sizeof(port), "%d", b->port);
	b->listeners[b->listener_count++] = spawn(path,
		(const char *const[]){"mosquitto_sub", "-i", id, "-h",
			"127.0.0.1", "-p", port, "-q", "1", "-t", topic, NULL});
	broker_await(b, "Sending SUBACK to listener-", before + 1);
	free(id);
	free(path);
}
