/* audit: writes every event as a line to a file, to syslog, or both. An event
 * counts as handled once it is written; an event that supd sends again, because
 * a worker died with it, is recognised by its id. An event that cannot be
 * written is an error that supd counts, and the next line that can be written
 * follows one that says how many are missing. */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <time.h>

#include "journal.h"
#include "line.h"
#include "settings.h"
#include "syslog_link.h"

#define TROUBLE_S 60 /* between two log lines about the same trouble */

/* Something that may fail with each event, but is not logged for each. */
struct trouble {
	const char *what;
	time_t logged_at; /* 0: never */
	uint64_t count;	  /* failures since the last success */
	bool is_logged;	  /* any of these */
};

static struct sup *self;
static struct settings settings;
static struct journal *journal; /* NULL: no file */
static struct syslog_link syslog_link;
static ev_timer sync_timer;
static struct trouble no_file = {.what = "the file"};
static struct trouble no_syslog = {.what = "syslog"};
static struct trouble no_rotation, no_sync;
static char reason[128]; /* why the last line was not written */

/* ---- troubles ---- */

/* Counts a failure; true: it is to be logged. */
static bool
trouble_add(struct trouble *t)
{
	time_t now = time(NULL);

	t->count++;
	if (t->logged_at && now - t->logged_at < TROUBLE_S)
		return false;
	t->logged_at = now;
	t->is_logged = true;
	return true;
}

static void
lose_event(struct trouble *t, const char *where, int error)
{
	if (trouble_add(t))
		sup_log(self, SUP_ERROR,
			"cannot write events to %s: %s: %s (%llu are missing)",
			t->what, where, strerror(error),
			(unsigned long long)t->count);
}

static void
end_losses(struct trouble *t)
{
	if (t->is_logged)
		sup_log(self, SUP_WARN,
			"events are written to %s again; %llu are missing",
			t->what, (unsigned long long)t->count);
	t->count = 0;
	t->is_logged = false;
}

static void
log_trouble(struct trouble *t, const char *what, int error)
{
	if (trouble_add(t))
		sup_log(self, SUP_ERROR, "%s %s: %s", settings.file, what,
			strerror(error));
}

/* ---- the file ---- */

static void
sync_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)timer, (void)events;
	if (journal_sync(journal))
		log_trouble(&no_sync, "cannot be synced", errno);
}

static void
sync_later(void)
{
	if (settings.sync != SYNC_INTERVAL || ev_is_active(&sync_timer) ||
		journal_is_synced(journal))
		return;
	ev_timer_set(&sync_timer, (double)settings.sync_ms / 1e3, 0);
	ev_timer_start(sup_loop(self), &sync_timer);
}

/* The line, behind one that says how many events before it are missing. Both
 * are written or neither, so no loss is reported twice. The caller frees. */
static char *
add_losses(const char *line, size_t *bytes)
{
	struct timespec now;
	char *losses, *both = NULL;
	size_t more;

	clock_gettime(CLOCK_REALTIME, &now);
	losses = line_of_losses(no_file.count, reason,
		(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, &more);
	if (losses && asprintf(&both, "%s%s", losses, line) < 0)
		both = NULL;
	free(losses);
	*bytes += more;
	return both;
}

static enum journal_result
append(uint64_t id, const char *line, size_t bytes)
{
	enum journal_result result;
	char *both;

	if (!no_file.count)
		return journal_append(journal, id, line, bytes);
	both = add_losses(line, &bytes);
	if (!both)
		return JOURNAL_FAILED;
	result = journal_append(journal, id, both, bytes);
	free(both);
	return result;
}

static bool
write_to_file(uint64_t id, const char *line, size_t bytes)
{
	enum journal_result result = append(id, line, bytes);
	int error = errno;

	if (result == JOURNAL_FAILED) {
		snprintf(reason, sizeof(reason), "%s", strerror(error));
		lose_event(&no_file, settings.file, error);
		return false;
	}
	if (result != JOURNAL_KNOWN)
		end_losses(&no_file);
	if (result == JOURNAL_UNSYNCED) {
		log_trouble(&no_sync, "cannot be synced", error);
		return false;
	}
	error = journal_rotate_error(journal);
	if (error)
		log_trouble(
			&no_rotation, "cannot be rotated, and grows", error);
	sync_later();
	return true;
}

/* ---- syslog ---- */

/* A line that is too long goes without its data. */
static bool
write_to_syslog(const json_t *context, const char *event, const char *line,
	size_t bytes)
{
	char *shorter = NULL;
	int result;

	bytes--; /* the newline */
	if (bytes > SYSLOG_BYTES_MAX) {
		shorter = line_write(context, event, "null", &bytes);
		line = shorter ? shorter : "";
		bytes -= bytes > 0;
	}
	result = syslog_send(&syslog_link, line, bytes, time(NULL));
	free(shorter);
	if (result) {
		lose_event(&no_syslog, settings.socket, errno);
		return false;
	}
	end_losses(&no_syslog);
	return true;
}

/* ---- events ---- */

/* Syslog comes first: an event that is in the file is done with, so one that a
 * crash interrupts before that is sent to syslog again, and not missing. */
static bool
write_event(const json_t *context, const char *event, const char *data)
{
	json_int_t id = json_integer_value(json_object_get(context, "id"));
	size_t bytes;
	char *line = line_write(context, event, data, &bytes);
	bool done = line != NULL;

	if (!line)
		return false;
	if (settings.has_syslog &&
		(!journal || journal_knows(journal, (uint64_t)id) != 1))
		done = write_to_syslog(context, event, line, bytes);
	if (journal && !write_to_file((uint64_t)id, line, bytes))
		done = false;
	free(line);
	return done;
}

static void
on_event(struct sup_req *req, void *user)
{
	json_t *context = json_loads(sup_req_caller_json(req), 0, NULL);
	bool done = write_event(
		context, sup_req_event(req), sup_req_args_json(req));

	(void)user;
	json_decref(context);
	if (done)
		sup_ok(req);
	else
		sup_fail(req, SUP_FAILED, "the event could not be written");
}

/* ---- start ---- */

static int
open_file(void)
{
	const struct journal_options options = {.path = settings.file,
		.rotate_bytes = settings.rotate_bytes,
		.keep = settings.keep,
		.sync_each = settings.sync == SYNC_ALWAYS,
		.sync_names = settings.sync != SYNC_NONE};

	if (!settings.file)
		return 0;
	journal = journal_create(&options);
	if (journal && !journal_try(journal))
		return 0;
	fprintf(stderr, "audit: %s cannot be written: %s\n", settings.file,
		errno == EINVAL ? "it is not a plain file" : strerror(errno));
	return -1;
}

static int
add_hooks(void)
{
	for (size_t i = 0; i < settings.pattern_count; i++) {
		const struct sup_hook_offer offer = {
			.event = settings.patterns[i],
			.handler = on_event,
			.idempotent = true};

		if (sup_register_hook(self, &offer))
			return -1;
	}
	return 0;
}

static int
init(struct sup *p)
{
	char why[256];

	self = p;
	signal(SIGXFSZ, SIG_IGN); /* a limit is an error like a full disk */
	if (settings_read(
		    &settings, sup_settings_json(p), sup_data_dir(p), why)) {
		fprintf(stderr, "audit: %s\n", why);
		return SUP_FAILED_TO_START;
	}
	if (open_file())
		return SUP_FAILED_TO_START;
	if (settings.has_syslog)
		syslog_init(&syslog_link, settings.socket, settings.ident,
			settings.facility);
	ev_timer_init(&sync_timer, sync_due, 0, 0);
	return add_hooks() ? SUP_FAILED_TO_START : SUP_STARTED;
}

SUP_PLUGIN("audit", "1.0.0", init)
