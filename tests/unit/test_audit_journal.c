/* The file of audit: each event once, whoever else renames it, cuts it or
 * writes to it, and what becomes of a line that finds no room. And its way to
 * syslog. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "plugins/audit/journal.h"
#include "plugins/audit/recent.h"
#include "plugins/audit/syslog_link.h"
#include "proto/util/memory.h"
#include "tests/system/harness/files.h"

static char folder[64], path[80];

static void
make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/audit-XXXXXX");
	cr_assert(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/log", folder);
}

static void
remove_folder(void)
{
	files_remove_tree(folder);
}

TestSuite(audit_journal, .init = make_folder, .fini = remove_folder);
TestSuite(audit_syslog, .init = make_folder, .fini = remove_folder);

static struct journal *
create(uint64_t rotate_bytes, unsigned keep)
{
	const struct journal_options options = {
		.path = path, .rotate_bytes = rotate_bytes, .keep = keep};
	struct journal *j = journal_create(&options);

	cr_assert(j);
	return j;
}

static enum journal_result
append(struct journal *j, uint64_t id)
{
	char line[64];

	snprintf(line, sizeof(line), "{\"id\":%lu,\"x\":1}\n",
		(unsigned long)id);
	return journal_append(j, id, line, strlen(line));
}

/* The ids of the lines of a file, "1 2 3"; a line that is none is "?". */
static void
expect_ids(const char *suffix, const char *ids)
{
	char name[100], found[400] = "";
	char *text, *line, *rest;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	text = files_read(name);
	for (line = text; line && *line; line = rest + 1) {
		uint64_t id;
		size_t length = strlen(found);

		rest = strchr(line, '\n');
		cr_assert(rest, "%s does not end in a newline", name);
		id = recent_id(line, (size_t)(rest - line));
		if (id)
			snprintf(found + length, sizeof(found) - length,
				"%s%lu", length ? " " : "", (unsigned long)id);
		else
			snprintf(found + length, sizeof(found) - length, "%s?",
				length ? " " : "");
	}
	cr_expect_str_eq(found, ids, "%s: %s", name, found);
	free(text);
}

Test(audit_journal, has_each_event_once)
{
	struct journal *j = create(1000, 2);

	cr_expect_eq(append(j, 1), JOURNAL_WRITTEN);
	cr_expect_eq(append(j, 2), JOURNAL_WRITTEN);
	cr_expect_eq(append(j, 1), JOURNAL_KNOWN);
	cr_expect_eq(journal_knows(j, 2), 1);
	cr_expect_eq(journal_knows(j, 3), 0);
	journal_destroy(j);
	/* A successor reads what there is. */
	j = create(1000, 2);
	cr_expect_eq(append(j, 2), JOURNAL_KNOWN);
	cr_expect_eq(append(j, 3), JOURNAL_WRITTEN);
	journal_destroy(j);
	expect_ids("", "1 2 3");
}

Test(audit_journal, may_have_two_writers)
{
	struct journal *a = create(1000, 2), *b = create(1000, 2);

	cr_expect_eq(append(a, 1), JOURNAL_WRITTEN);
	cr_expect_eq(append(b, 1), JOURNAL_KNOWN);
	cr_expect_eq(append(b, 2), JOURNAL_WRITTEN);
	cr_expect_eq(append(a, 2), JOURNAL_KNOWN);
	cr_expect_eq(append(a, 3), JOURNAL_WRITTEN);
	journal_destroy(a);
	journal_destroy(b);
	expect_ids("", "1 2 3");
}

Test(audit_journal, is_rotated_and_the_oldest_goes)
{
	struct journal *a = create(40, 2), *b = create(40, 2);

	for (uint64_t id = 1; id <= 9; id++) {
		cr_expect_eq(append(id % 2 ? a : b, id), JOURNAL_WRITTEN);
		/* Known also when its file has just been rotated. */
		cr_expect_eq(append(id % 2 ? b : a, id), JOURNAL_KNOWN);
	}
	journal_destroy(a);
	a = create(40, 2);
	cr_expect_eq(append(a, 8), JOURNAL_KNOWN);
	journal_destroy(a);
	journal_destroy(b);
	expect_ids("", "9");
	expect_ids(".1", "7 8");
	expect_ids(".2", "5 6");
	cr_expect_eq(files_count(folder), 3);
}

Test(audit_journal, follows_its_name_when_others_rename_the_file)
{
	struct journal *j = create(1000, 2);
	char other[100];

	append(j, 1);
	append(j, 2);
	snprintf(other, sizeof(other), "%s.1", path);
	cr_assert_eq(rename(path, other), 0);
	cr_expect_eq(append(j, 2), JOURNAL_KNOWN);
	cr_expect_eq(append(j, 3), JOURNAL_WRITTEN);
	journal_destroy(j);
	j = create(1000, 2);
	cr_expect_eq(append(j, 2), JOURNAL_KNOWN);
	cr_assert_eq(unlink(path), 0);
	cr_expect_eq(append(j, 4), JOURNAL_WRITTEN);
	journal_destroy(j);
	expect_ids(".1", "1 2");
	expect_ids("", "4");
}

Test(audit_journal, cuts_a_line_that_a_crash_has_torn)
{
	struct journal *j;

	files_write(path, "{\"id\":1,\"x\":1}\n{\"id\":2,\"x");
	j = create(1000, 2);
	cr_expect_eq(append(j, 2), JOURNAL_WRITTEN);
	journal_destroy(j);
	expect_ids("", "1 2");
	files_write(path, "{\"i");
	j = create(1000, 2);
	cr_expect_eq(append(j, 3), JOURNAL_WRITTEN);
	journal_destroy(j);
	expect_ids("", "3");
	files_write(path, "precious");
	j = create(1000, 2);
	cr_expect_eq(append(j, 4), JOURNAL_WRITTEN);
	journal_destroy(j);
	expect_ids("", "? 4");
}

Test(audit_journal, takes_back_what_found_no_room)
{
	struct journal *j = create(100000, 2);
	struct rlimit limit = {40, RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	cr_expect_eq(append(j, 1), JOURNAL_WRITTEN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_eq(append(j, 2), JOURNAL_WRITTEN);
	cr_expect_eq(append(j, 3), JOURNAL_FAILED);
	cr_expect_eq(errno, EFBIG);
	cr_expect_eq(append(j, 3), JOURNAL_FAILED);
	limit.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_eq(append(j, 4), JOURNAL_WRITTEN);
	journal_destroy(j);
	expect_ids("", "1 2 4");
}

Test(audit_journal, grows_if_it_cannot_be_rotated)
{
	struct journal *j = create(20, 1);
	char taken[100];

	append(j, 1);
	snprintf(taken, sizeof(taken), "%s.1", path);
	cr_assert_eq(mkdir(taken, 0755), 0);
	cr_expect_eq(append(j, 2), JOURNAL_WRITTEN);
	cr_expect_eq(journal_rotate_error(j), EISDIR);
	cr_expect_eq(journal_rotate_error(j), 0);
	journal_destroy(j);
	expect_ids("", "1 2");
}

/* A rotation that fails again and again pushes none of them out. */
Test(audit_journal, is_rotated_into_the_first_name_that_is_free)
{
	struct journal *j = create(20, 3);
	char other[100];

	append(j, 1);
	append(j, 2);
	append(j, 3);
	append(j, 4);
	snprintf(other, sizeof(other), "%s.1", path);
	cr_assert_eq(unlink(other), 0);
	cr_expect_eq(append(j, 5), JOURNAL_WRITTEN);
	journal_destroy(j);
	expect_ids("", "5");
	expect_ids(".1", "4");
	expect_ids(".2", "2");
	expect_ids(".3", "1");
}

Test(audit_journal, is_a_plain_file_in_a_folder_that_is_there)
{
	struct journal *j = create(1000, 2);

	cr_assert_eq(mkdir(path, 0755), 0);
	cr_expect_eq(journal_try(j), -1);
	cr_assert_eq(rmdir(path), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(journal_try(j), -1);
	cr_expect_eq(errno, EINVAL);
	cr_assert_eq(unlink(path), 0);
	cr_expect_eq(journal_try(j), 0);
	files_remove_tree(folder);
	cr_expect_eq(journal_try(j), -1);
	cr_expect_eq(errno, ENOENT);
	journal_destroy(j);
	cr_assert_eq(mkdir(folder, 0755), 0);
}

Test(audit_journal, reads_ids_of_its_own_lines_only)
{
	struct recent r = {0};
	static const char text[] = "{\"id\":7,\"a\":1}\n{\"id\":\"8\"}\n"
				   "x\n\n{\"id\":9}\n{\"id\":10,";

	cr_expect_eq(recent_add_lines(&r, text, strlen(text)),
		strlen(text) - strlen("{\"id\":10,"));
	cr_expect(recent_has(&r, 7));
	cr_expect(!recent_has(&r, 8) && !recent_has(&r, 9));
	cr_expect(!recent_has(&r, 10) && !recent_has(&r, 0));
	for (uint64_t id = 100; id < 100 + RECENT_MAX; id++)
		recent_add(&r, id);
	cr_expect(!recent_has(&r, 7) && recent_has(&r, 100));
}

/* ---- syslog ---- */

static int
listen_at(const char *where)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", where);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void
expect_line(int fd, const char *line)
{
	char text[200], expected[200];
	ssize_t bytes = recv(fd, text, sizeof(text) - 1, 0);

	cr_assert_geq(bytes, 0, "%s", strerror(errno));
	text[bytes] = 0;
	snprintf(expected, sizeof(expected),
		"<158>Nov  5 10:00:01 gate[%d]: %s", (int)getpid(), line);
	cr_expect_str_eq(text, expected);
}

#define NOVEMBER 1762336801 /* 2025-11-05T10:00:01Z */

Test(audit_syslog, lines_have_the_form_of_syslog)
{
	struct syslog_link l;
	int fd;

	setenv("TZ", "UTC", 1);
	tzset();
	syslog_init(&l, path, "gate", LOG_LOCAL3);
	cr_expect_eq(syslog_send(&l, "early", 5, NOVEMBER), -1);
	cr_expect_eq(errno, ENOENT);
	fd = listen_at(path);
	cr_expect_eq(syslog_send(&l, "one", 3, NOVEMBER), 0);
	expect_line(fd, "one");
	/* The log is restarted. */
	close(fd);
	cr_assert_eq(unlink(path), 0);
	fd = listen_at(path);
	cr_expect_eq(syslog_send(&l, "two", 3, NOVEMBER), 0);
	expect_line(fd, "two");
	close(fd);
	syslog_finish(&l);
}

Test(audit_syslog, a_log_that_does_not_read_is_not_waited_for)
{
	static const char large[SYSLOG_BYTES_MAX + 1];
	struct syslog_link l;
	int fd = listen_at(path), sent = 0;

	syslog_init(&l, path, "gate", LOG_DAEMON);
	while (sent < 100000 && !syslog_send(&l, "x", 1, NOVEMBER))
		sent++;
	cr_expect_eq(errno, EAGAIN);
	cr_expect_lt(sent, 100000);
	cr_expect_eq(syslog_send(&l, large, sizeof(large), NOVEMBER), -1);
	cr_expect_eq(errno, EMSGSIZE);
	close(fd);
	syslog_finish(&l);
}
