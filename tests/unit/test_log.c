/* log: one line per call whatever the text, and never a wait. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/log.h"
#include "proto/util/log_tap.h"

static int ends[2];
static char got[1 << 20];

static void
start(void)
{
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	unsetenv("JOURNAL_STREAM");
	setenv(LOG_JOURNAL_VARIABLE, "/nowhere/socket", 1);
}

TestSuite(log, .init = start);

static const char *
read_all(void)
{
	size_t length = 0;
	ssize_t n;

	while ((n = read(ends[0], got + length, sizeof(got) - 1 - length)) > 0)
		length += (size_t)n;
	got[length] = '\0';
	return got;
}

static void
say(const char *text)
{
	struct log_subject subject = {"hello", 3, 42, "stdout", NULL};

	log_write(LOG_INFO, &subject, "%s", text);
}

Test(log, text_lines_name_their_subject)
{
	char time[32];
	int end = 0;

	log_open(ends[1], LOG_TEXT, LOG_INFO);
	say("text");
	log_debug("not shown");
	cr_expect(log_flush());
	cr_assert_eq(sscanf(read_all(),
			     "%31s info plugin=hello gen=3 pid=42 "
			     "stream=stdout text%n",
			     time, &end),
		1);
	cr_expect_str_eq(got + end, "\n");
	cr_expect_eq(strlen(time), strlen("2026-11-21T03:12:12.123Z"));
	log_close();
}

Test(log, a_text_cannot_forge_a_line)
{
	log_open(ends[1], LOG_TEXT, LOG_INFO);
	say("a\nb\rc\td\x1b[31m\x7f\xc2\x9b\xff\xc3\xa9");
	log_flush();
	cr_expect(strstr(read_all(),
			  "a\\nb\\rc\\td\\x1b[31m\\x7f\\x9b\\xff\xc3\xa9\n"),
		"%s", got);
	log_close();
}

Test(log, a_text_of_a_mebibyte_is_cut_and_not_lost)
{
	const size_t bytes = 1 << 20;
	char *text = malloc(bytes + 4);

	cr_assert(text);
	memset(text, 'k', bytes);
	strcpy(text + bytes, "end");
	log_open(ends[1], LOG_TEXT, LOG_INFO);
	say(text);
	log_flush();
	read_all();
	cr_expect(strstr(got, "stream=stdout kkk"), "%.200s", got);
	cr_expect(strstr(got, "k\xe2\x80\xa6k") && strstr(got, "kend\n"));
	cr_expect_leq(strlen(got), 9 * 1024);
	log_close();
	free(text);
}

Test(log, json_lines_are_json)
{
	json_t *line;
	const char *message, *level, *plugin, *stream, *time;
	int generation, pid;

	log_open(ends[1], LOG_JSON, LOG_INFO);
	say("quote \" back \\ line\n\x01\xc2\x85\xff\xe2\x82\xac");
	log_flush();
	line = json_loads(read_all(), 0, NULL);
	cr_assert(line, "%s", got);
	cr_assert_eq(json_unpack(line, "{s:s,s:s,s:s,s:i,s:i,s:s,s:s !}",
			     "time", &time, "level", &level, "plugin", &plugin,
			     "generation", &generation, "pid", &pid, "stream",
			     &stream, "message", &message),
		0, "%s", got);
	cr_expect_str_eq(message,
		"quote \" back \\ line\n\x01\xc2\x85\xef\xbf\xbd\xe2\x82\xac");
	json_decref(line);
	log_close();
}

/* As systemd starts a service whose stderr goes to the journal. */
static void
begin_journal(void)
{
	struct stat st;
	char stream[64];

	fstat(ends[1], &st);
	snprintf(stream, sizeof(stream), "%llu:%llu",
		(unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
}

Test(log, journald_without_its_socket_gets_priorities_and_no_time)
{
	begin_journal();
	log_open(ends[1], LOG_TEXT, LOG_INFO);
	log_warn("careful");
	log_flush();
	cr_expect_str_eq(read_all(), "<4>warn careful\n");
	log_close();
}

static char journal_path[64];

static int
listen_as_journald(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, journal_path);
	unlink(journal_path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static const char *
next_entry(int fd)
{
	ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);

	got[n < 0 ? 0 : n] = '\0';
	return got;
}

static int
open_journal(enum log_format format)
{
	int fd;

	snprintf(journal_path, sizeof(journal_path), "/tmp/supd-journal-%d",
		getpid());
	setenv(LOG_JOURNAL_VARIABLE, journal_path, 1);
	fd = listen_as_journald();
	begin_journal();
	log_open(ends[1], format, LOG_INFO);
	return fd;
}

static void
close_journal(int fd)
{
	log_close();
	close(fd);
	unlink(journal_path);
}

Test(log, journald_gets_an_entry_with_fields_for_each_line)
{
	struct log_subject subject = {"hello", 3, 42, "stdout", "r-7"};
	int fd = open_journal(LOG_TEXT);

	log_write(LOG_WARN, &subject, "a\nb=%s", "c");
	log_info("plain");
	cr_expect(log_flush());
	cr_expect_str_eq(next_entry(fd),
		"PRIORITY=4\nSYSLOG_IDENTIFIER=supd\nPLUGIN=hello\n"
		"GENERATION=3\nWORKER_PID=42\nSTREAM=stdout\nRELOAD=r-7\n"
		"MESSAGE=hello: a\\nb=c\n");
	cr_expect_str_eq(next_entry(fd),
		"PRIORITY=6\nSYSLOG_IDENTIFIER=supd\nMESSAGE=plain\n");
	cr_expect_str_eq(read_all(), ""); /* nothing twice */
	close_journal(fd);
}

Test(log, the_message_of_an_entry_may_be_json)
{
	int fd = open_journal(LOG_JSON);
	const char *message;
	json_t *line;

	say("text");
	log_flush();
	message = strstr(next_entry(fd), "\nMESSAGE=");
	cr_assert(message, "%s", got);
	line = json_loads(message + strlen("\nMESSAGE="), 0, NULL);
	cr_expect_str_eq(
		json_string_value(json_object_get(line, "message")), "text");
	json_decref(line);
	close_journal(fd);
}

Test(log, a_journald_that_does_not_read_blocks_nobody_and_loses_few)
{
	int fd = open_journal(LOG_TEXT), count = 0;
	char text[1001];

	memset(text, 'x', 1000);
	text[1000] = '\0';
	for (int i = 0; i < 1000; i++)
		say(text);
	cr_expect_not(log_flush());
	for (int i = 0; i < 200 && !log_flush(); i++)
		while (*next_entry(fd))
			count += strstr(got, "log lines dropped") == NULL;
	while (*next_entry(fd))
		count += strstr(got, "log lines dropped") == NULL;
	log_flush();
	cr_expect_eq((uint64_t)count + log_dropped_total(), 1000, "%d", count);
	close_journal(fd);
}

Test(log, a_journald_that_is_restarted_gets_what_follows)
{
	int fd = open_journal(LOG_TEXT);

	log_info("before");
	cr_expect(log_flush());
	close(fd);
	fd = listen_as_journald();
	log_info("after");
	cr_expect(log_flush());
	cr_expect(strstr(next_entry(fd), "MESSAGE=after\n"), "%s", got);
	close_journal(fd);
}

Test(log, a_full_pipe_never_blocks_and_the_loss_is_told)
{
	char text[1001];
	const char *told;
	unsigned lines = 0, dropped = 0, more;

	memset(text, 'x', 1000);
	text[1000] = '\0';
	log_open(ends[1], LOG_TEXT, LOG_INFO);
	for (int i = 0; i < 1000; i++)
		say(text);
	cr_expect_not(log_flush());
	for (int i = 0; i < 20; i++) {
		read_all();
		for (const char *at = got; (at = strchr(at, '\n')); at++)
			lines++;
		told = strstr(got, "log lines dropped");
		if (told) {
			while (told[-1] != 'Z' && told > got)
				told--;
			if (sscanf(told, " warn %u", &more) == 1) {
				dropped += more;
				lines--;
			}
		}
		log_flush();
	}
	cr_expect_gt(dropped, 0);
	cr_expect_eq(lines + dropped, 1000, "%u + %u", lines, dropped);
	cr_expect_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0,
		"the flag of the caller's descriptor is not ours");
	log_close();
}

Test(log, sockets_are_written_without_waiting)
{
	int pair[2];
	char text[1000] = {0};

	memset(text, 'y', sizeof(text) - 1);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	log_open(pair[0], LOG_TEXT, LOG_INFO);
	for (int i = 0; i < 1000; i++)
		say(text);
	cr_expect_not(log_flush());
	close(pair[1]);
	cr_expect_not(log_flush(), "it is kept for the next try");
	cr_expect(log_retry_in_ms());
	log_close();
}

/* The lines of a file; *dropped_out: how many it says were dropped. */
static unsigned
count_lines(const char *path, unsigned *dropped_out)
{
	FILE *file = fopen(path, "r");
	char line[2000];
	const char *said;
	unsigned lines = 0, more;

	cr_assert(file);
	*dropped_out = 0;
	while (fgets(line, sizeof(line), file)) {
		said = strstr(line, " warn ");
		if (said && strstr(line, " log lines dropped") &&
			sscanf(said, " warn %u", &more) == 1)
			*dropped_out += more;
		else
			lines++;
	}
	fclose(file);
	return lines;
}

Test(log, a_full_disk_loses_what_does_not_fit_and_says_how_much)
{
	char path[] = "/tmp/supd-log-XXXXXX", text[1001];
	struct rlimit limit;
	unsigned lines, dropped;
	int fd = mkstemp(path);

	memset(text, 'z', 1000);
	text[1000] = '\0';
	signal(SIGXFSZ, SIG_IGN);
	cr_assert(fd >= 0 && !getrlimit(RLIMIT_FSIZE, &limit));
	limit.rlim_cur = 10000;
	cr_assert(!setrlimit(RLIMIT_FSIZE, &limit));
	log_open(fd, LOG_TEXT, LOG_INFO);
	for (int i = 0; i < 1000; i++)
		say(text);
	cr_expect_not(log_flush());
	cr_expect(log_retry_in_ms());
	cr_expect_gt(log_dropped_total(), 0);
	limit.rlim_cur = limit.rlim_max;
	cr_assert(!setrlimit(RLIMIT_FSIZE, &limit));
	while (!log_flush())
		poll(NULL, 0, (int)log_retry_in_ms());
	cr_expect_eq(log_retry_in_ms(), 0);
	log_close();
	lines = count_lines(path, &dropped);
	cr_expect_gt(dropped, 0);
	cr_expect_eq(lines + dropped, 1000, "%u + %u", lines, dropped);
	close(fd);
	unlink(path);
}

static void
count_tapped(void *user, enum log_level level,
	const struct log_subject *subject, struct bytes text)
{
	unsigned *count = user;

	cr_expect_eq(level, LOG_WARN);
	cr_expect(!subject || subject->pid == 7);
	cr_expect(bytes_equal(text, BYTES("a\nb")));
	++*count;
}

Test(log, a_tap_gets_what_is_written_as_it_was)
{
	const struct log_subject some = {.pid = 7};
	unsigned count = 0;

	log_open(ends[1], LOG_TEXT, LOG_INFO);
	log_set_tap(count_tapped, &count);
	log_warn("a\nb");
	log_write(LOG_WARN, &some, "a\nb");
	log_write(LOG_DEBUG, NULL, "a\nb");
	log_set_tap(NULL, NULL);
	log_warn("a\nb");
	cr_expect_eq(count, 2);
	log_close();
}

Test(log, levels_have_names)
{
	enum log_level level;

	cr_assert(log_level_parse("warn", &level));
	cr_expect_eq(level, LOG_WARN);
	cr_assert(log_level_parse("debug", &level));
	cr_expect_eq(level, LOG_DEBUG);
	cr_expect_not(log_level_parse("loud", &level));
	log_set(LOG_TEXT, LOG_WARN);
	cr_expect(log_is_on(LOG_ERROR));
	cr_expect_not(log_is_on(LOG_INFO));
}
