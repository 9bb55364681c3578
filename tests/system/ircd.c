#include "tests/system/ircd.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/files.h"

#define NGIRCD "/usr/sbin/ngircd"
#define NOBODY 65534

/* ---- the server ---- */

void
ircd_needed(void)
{
	if (access(NGIRCD, X_OK))
		cr_skip_test("needs " NGIRCD ", of the package ngircd");
}

static void
write_config(const struct ircd *d, const char *global, const char *options)
{
	char *path = memory_format("%s/ngircd-%d.conf", d->run->dir, d->port);

	files_write(path,
		"[Global]\n"
		"Name = irc.test\nInfo = test\nAdminEMail = root@irc.test\n"
		"Listen = 127.0.0.1\nPorts = %d\nMotdPhrase = hello\n"
		"%s\n"
		"[Limits]\nMaxConnectionsIP = 0\nMaxNickLength = 20\n%s\n"
		"[Options]\nDNS = no\nIdent = no\nPAM = no\n"
		"%s\n",
		d->port, global, d->is_strict ? "" : "MaxPenaltyTime = 0",
		options);
	free(path);
}

/* In the child. It gets no root, because ngircd would give that up, and with
 * it the signal at the end of the test. */
static void
become_server(const char *config, const char *log)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);

	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (!geteuid() && (setgid(NOBODY) || setuid(NOBODY)))
		_exit(127);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl(NGIRCD, "ngircd", "-n", "-f", config, (char *)NULL);
	_exit(127);
}

static void
await_listening(const struct ircd *d)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	struct client c;
	char where[32];

	snprintf(where, sizeof(where), "127.0.0.1:%d", d->port);
	while (!client_open(&c, where)) {
		cr_assert(clock_ms() < until, "ngircd does not listen");
		poll(NULL, 0, 5);
	}
	client_close(&c);
}

void
ircd_start_again(struct ircd *d, const char *global, const char *options)
{
	char *config = memory_format("%s/ngircd-%d.conf", d->run->dir, d->port);
	char *log = memory_format("%s/ngircd-%d.log", d->run->dir, d->port);

	write_config(d, global, options);
	d->pid = fork();
	cr_assert_geq(d->pid, 0);
	if (!d->pid)
		become_server(config, log);
	await_listening(d);
	free(config);
	free(log);
}

void
ircd_start(struct ircd *d, struct gateway_run *g, const char *global,
	const char *options)
{
	d->run = g;
	d->port = http_free_port();
	ircd_start_again(d, global, options);
}

static unsigned
count_rereads(const struct ircd *d)
{
	char *path = memory_format("%s/ngircd-%d.log", d->run->dir, d->port);
	char *log = files_read(path);
	unsigned count = 0;

	for (const char *at = log;
		(at = strstr(at, "Re-reading of configuration done")); at++)
		count++;
	free(path);
	free(log);
	return count;
}

void
ircd_reread(struct ircd *d, const char *global, const char *options)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	unsigned before = count_rereads(d);

	write_config(d, global, options);
	kill(d->pid, SIGHUP);
	while (count_rereads(d) == before) {
		cr_assert(clock_ms() < until, "ngircd does not reread");
		poll(NULL, 0, 5);
	}
}

void
ircd_stop(struct ircd *d)
{
	if (!d->pid)
		return;
	kill(d->pid, SIGKILL);
	waitpid(d->pid, NULL, 0);
	d->pid = 0;
}

void
ircd_freeze(struct ircd *d, bool is_frozen)
{
	kill(d->pid, is_frozen ? SIGSTOP : SIGCONT);
}

/* ---- people ---- */

static void
forget_all(struct person *p)
{
	memset(p, 0, sizeof(*p));
	p->client.fd = -1;
}

void
person_come(struct person *p, int port, const char *password, const char *nick,
	const char *channel)
{
	forget_all(p);
	snprintf(p->where, sizeof(p->where), "127.0.0.1:%d", port);
	cr_assert(client_open(&p->client, p->where));
	if (password)
		person_says(p, "PASS %s", password);
	person_says(p, "NICK %s", nick);
	person_says(p, "USER %s 0 * :%s", nick, nick);
	person_hears(p, " 001 ");
	if (!channel)
		return;
	person_says(p, "JOIN %s", channel);
	person_hears(p, " 366 ");
}

void
person_leave(struct person *p)
{
	client_close(&p->client);
	buffer_finish(&p->all);
}

bool
person_says(struct person *p, const char *format, ...)
{
	va_list list;
	char *text;
	bool sent;

	va_start(list, format);
	cr_assert(vasprintf(&text, format, list) >= 0);
	va_end(list);
	sent = client_say(&p->client, "%s\r\n", text);
	free(text);
	return sent;
}

/* A server asks whether somebody is there. */
static void
answer_pings(struct person *p, const char *line)
{
	if (!strncmp(line, "PING ", 5))
		person_says(p, "PONG %s", line + 5);
}

/* The next line that is not seen; NULL: none is whole. */
static const char *
next_line(struct person *p)
{
	const char *at = (const char *)buffer_bytes(&p->all) + p->seen;
	size_t left = buffer_length(&p->all) - p->seen;
	const char *end = left ? memchr(at, '\n', left) : NULL;

	if (!end)
		return NULL;
	p->seen += (size_t)(end - at) + 1;
	snprintf(p->line, sizeof(p->line), "%.*s", (int)(end - at), at);
	p->line[strcspn(p->line, "\r")] = '\0';
	answer_pings(p, p->line);
	return p->line;
}

const char *
person_hears(struct person *p, const char *text)
{
	const char *line;

	for (;;) {
		while ((line = next_line(p)))
			if (strstr(line, text))
				return line;
		cr_assert(client_read_some(&p->client, &p->all),
			"\"%s\" was not heard", text);
	}
}

unsigned
person_count(const struct person *p, const char *text)
{
	const char *at = (const char *)buffer_bytes(&p->all);
	size_t left = buffer_length(&p->all);
	unsigned count = 0;
	const char *found;

	while (left && (found = memmem(at, left, text, strlen(text)))) {
		count++;
		left -= (size_t)(found - at) + 1;
		at = found + 1;
	}
	return count;
}

bool
person_sees_close(struct person *p)
{
	uint64_t until = clock_ms() + HTTP_DEADLINE_MS;

	while (client_read_some(&p->client, &p->all))
		if (clock_ms() > until)
			return false;
	return clock_ms() < until;
}

/* ---- the test's own server ---- */

int
ircd_listen(int *port_out)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(!bind(fd, (struct sockaddr *)&address, size) &&
		  !listen(fd, 16) &&
		  !getsockname(fd, (struct sockaddr *)&address, &size));
	*port_out = ntohs(address.sin_port);
	return fd;
}

void
ircd_accept(int fd, struct person *p)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	forget_all(p);
	cr_assert_eq(poll(&readable, 1, RUN_DEADLINE_MS), 1);
	p->client.fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(p->client.fd, 0);
}
