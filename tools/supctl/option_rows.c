/* option_rows: the table of options and that of exit codes, which parser,
 * help, completions and the manual are made from. Reads single values. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/message.h"
#include "proto/util/clock.h"
#include "tools/supctl/options.h"

#define ON(verb) (UINT64_C(1) << VERB_##verb)
#define TO(field) .offset = offsetof(struct options, field)

static_assert(VERB_COUNT <= 64 && OPTION_COUNT <= 64, "sets are 64 bits");

static int
read_timeout(struct options *o, const char *text, struct error *err)
{
	if (duration_read(text, &o->timeout_ms))
		return error_set(err,
			"--timeout needs a time like 500ms or 10s, not '%s'",
			text);
	if (o->timeout_ms > WIRE_DEADLINE_MAX_MS)
		o->timeout_ms = WIRE_DEADLINE_MAX_MS;
	return 0;
}

static int
read_lines(struct options *o, const char *text, struct error *err)
{
	char *end;
	unsigned long lines = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || lines > 1000000)
		return error_set(err, "-n needs a number, not '%s'", text);
	o->lines = (unsigned)lines;
	return 0;
}

static int
read_wait(struct options *o, const char *text, struct error *err)
{
	if (strcmp(text, "committed") && strcmp(text, "settled"))
		return error_set(err,
			"--wait must be committed or settled, not '%s'", text);
	o->wait = text;
	return 0;
}

static int
read_before(struct options *o, const char *text, struct error *err)
{
	char *end;

	o->before = strtoll(text, &end, 10);
	if (*text < '1' || *text > '9' || *end)
		return error_set(
			err, "--before needs a number, not '%s'", text);
	return 0;
}

static int
read_delay(struct options *o, const char *text, struct error *err)
{
	if (!duration_read(text, &o->delay_ms) && o->delay_ms >= 100 &&
		o->delay_ms <= 3600000)
		return 0;
	return error_set(
		err, "-d needs a time from 100ms to 1h, not '%s'", text);
}

static int
read_role(struct options *o, const char *text, struct error *err)
{
	for (int role = VERB_VIEWER; role <= VERB_ADMIN; role++)
		if (!strcmp(text, verb_role_name((enum verb_role)role))) {
			o->role = text;
			return 0;
		}
	return error_set(err,
		"--role must be viewer, operator or admin, not '%s'", text);
}

/* -1: there is no such day; mktime() would take the 31st of February for the
 * 3rd of March. */
static int
read_day(const struct tm *day, uint64_t *ms_out)
{
	struct tm found = *day;
	time_t seconds = mktime(&found);

	if (found.tm_mon != day->tm_mon || found.tm_mday != day->tm_mday)
		return -1;
	*ms_out = (uint64_t)seconds * 1000;
	return 0;
}

/* "10m" ago, "2026-11-21 10:00:00" or a part of that, by the local clock. */
static int
read_since(struct options *o, const char *text, struct error *err)
{
	static const char *const formats[] = {
		"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"};
	uint64_t ms;

	if (!duration_read(text, &ms)) {
		o->since_ms = clock_wall_ms() > ms ? clock_wall_ms() - ms : 1;
		return 0;
	}
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		struct tm day = {.tm_isdst = -1};
		const char *end = strptime(text, formats[i], &day);

		if (!end || *end)
			continue;
		if (read_day(&day, &o->since_ms))
			return error_set(
				err, "--since: no such date: '%s'", text);
		return 0;
	}
	return error_set(err,
		"--since needs a time like 10m or '2026-11-21 10:00', not "
		"'%s'",
		text);
}

const struct option_row option_rows[OPTION_COUNT] = {
	[OPTION_SOCKET] = {"socket", 's', "PATH", 0,
		"the control socket (default: $SUPCTL_SOCKET, else where supd "
		"puts it)",
		TO(socket)},
	[OPTION_JSON] = {"json", 0, NULL, 0,
		"print one JSON document on stdout and nothing else", TO(json)},
	[OPTION_TIMEOUT] = {"timeout", 0, "D", 0,
		"wait at most this long (500ms, 10s, 5m), then exit with 7",
		.read = read_timeout},
	[OPTION_NO_COLOR] = {"no-color", 0, NULL, 0,
		"no colours, as with $NO_COLOR", TO(no_color)},
	[OPTION_HELP] = {"help", 'h', NULL, 0,
		"print this help, or that of a verb", TO(help)},
	[OPTION_VERSION] = {"version", 0, NULL, 0,
		"print the version of supctl alone", TO(own_version)},
	[OPTION_KIND] = {"kind", 0, "KIND", ON(ROUTES),
		"only http, tool, command or method", TO(kind)},
	[OPTION_PLUGIN] = {"plugin", 0, "ID", ON(ROUTES) | ON(EVENTS),
		"only this plugin", TO(plugin)},
	[OPTION_ALL] = {"all", 0, NULL, ON(RELOAD) | ON(WATCH),
		"every plugin; a reload: every one that should run", TO(all)},
	[OPTION_CHANGED] = {"changed", 0, NULL, ON(RELOAD),
		"plugins whose settings or digest differ from what runs",
		TO(changed)},
	[OPTION_PACKAGE] = {"package", 0, "NAME", ON(RELOAD),
		"every plugin that uses the package", TO(package)},
	[OPTION_ATOMIC] = {"atomic", 0, NULL, ON(RELOAD) | ON(APPLY),
		"all or none: no new worker serves before all are proven",
		TO(atomic)},
	[OPTION_PLAN] = {"plan", 0, NULL, ON(RELOAD),
		"only compare configuration and digest, start nothing",
		TO(plan)},
	[OPTION_PROVE] = {"prove", 0, NULL, ON(RELOAD),
		"start a candidate, show which registrations would be added "
		"and removed, discard it",
		TO(prove)},
	[OPTION_FORCE] = {"force", 0, NULL, ON(RELOAD),
		"end the old worker's requests in flight at the switch",
		TO(force)},
	[OPTION_NO_DROP] = {"no-drop", 0, NULL, ON(RELOAD),
		"fail if a registration would be removed", TO(no_drop)},
	[OPTION_IF_SAFE] = {"if-safe", 0, NULL, ON(RELOAD),
		"refuse (exit 6) where can-reload says no", TO(if_safe)},
	[OPTION_WAIT] = {"wait", 0, "committed|settled", ON(RELOAD),
		"for the verdict (committed, the default), or until the old "
		"worker is gone",
		.read = read_wait},
	[OPTION_NO_WAIT] = {"no-wait", 0, NULL, ON(RELOAD) | ON(SHUTDOWN),
		"do not wait; a reload prints its id", TO(no_wait)},
	[OPTION_FOLLOW] = {"follow", 'f', NULL, ON(LOGS) | ON(EVENTS),
		"keep printing what arrives; --json: a document a line",
		TO(follow)},
	[OPTION_LINES] = {"lines", 'n', "N",
		ON(LOGS) | ON(EVENTS) | ON(HISTORY) | ON(MESSAGES) | ON(TOP),
		"the last N (default 50); supd keeps 500 lines of each log, "
		"1000 events and 2000 verdicts",
		.except = {VERB_TOP, "end after N updates"},
		.read = read_lines},
	[OPTION_DIR] = {"dir", 0, "DIR", ON(NEW),
		"make the folder NAME in DIR instead of here", TO(dir)},
	[OPTION_RAW] = {"raw", 0, NULL, ON(CALL) | ON(LOGS) | ON(EVENTS),
		"print strings of plugins byte for byte, including control "
		"characters",
		TO(raw)},
	[OPTION_ROLE] = {"role", 0, "viewer|operator|admin", ON(TOKEN),
		"what the token may do (default operator)", .read = read_role},
	[OPTION_SINCE] = {"since", 0, "TIME", ON(LOGS),
		"only lines since then: 10m (ago), or '2026-11-21 10:00'",
		.read = read_since},
	[OPTION_GREP] = {"grep", 0, "TEXT", ON(LOGS),
		"only lines with that text in them, of all that are kept",
		TO(grep)},
	[OPTION_WIDE] = {"wide", 'w', NULL, ON(STATUS),
		"every column, also memory and processor time; cut nothing",
		TO(wide)},
	[OPTION_READY] = {"ready", 0, NULL, ON(STATUS),
		"exit with 1 unless supd is ready, as a health check does",
		TO(ready)},
	[OPTION_BEFORE] = {"before", 0, "SEQ", ON(MESSAGES),
		"only messages before this one; the last line of a list says "
		"where the next begins",
		.read = read_before},
	[OPTION_EDIT] = {"edit", 0, "MESSAGE", ON(SEND),
		"TEXT replaces that of this message, by its id at the platform",
		TO(edit)},
	[OPTION_DELETE] = {"delete", 0, "MESSAGE", ON(SEND),
		"delete this message, without TEXT", TO(delete)},
	[OPTION_REACT] = {"react", 0, "MESSAGE", ON(SEND),
		"TEXT is the emoji to react to this message with", TO(react)},
	[OPTION_BATCH] = {"batch", 'b', NULL, ON(TOP),
		"print tables one after the other, also on a terminal",
		TO(batch)},
	[OPTION_DELAY] = {"delay", 'd', "D", ON(TOP),
		"update every D (default 2s)", .read = read_delay},
	[OPTION_SORT] = {"sort", 0, "COLUMN", ON(TOP),
		"by requests (the default), p99, cpu, memory, in-flight, held, "
		"restarts, reload, id, state, p50, generation, uptime or pid",
		TO(sort)},
};

const struct exit_row exit_rows[] = {
	{0, "done", NULL},
	{1, "failed",
		"A reload that rolled back: the old generation serves. An "
		"atomic set that failed; all of several failed; a "
		"configuration that check refuses."},
	{2, "usage", NULL},
	{3, "supd not running",
		"Nothing listens at the socket, or supd ended during the call, "
		"and with it what the call had begun. supctl never starts "
		"supd."},
	{4, "permission denied", "Nothing has changed."},
	{5, "no such plugin", NULL},
	{6, "refused", "Busy, disabled or not safe now."},
	{7, "timed out waiting",
		"The wait ended; what was begun goes on. Verbs that only read "
		"wait 5 s without --timeout."},
	{8, "some of several failed", NULL},
	{EXIT_MALFORMED, "malformed answer",
		"The program at the socket is not a supd that this supctl "
		"understands. The outcome of the call is unknown."},
	{EXIT_CUT, "cut",
		"A plugin's command line (x) that had begun and was cut. "
		"Otherwise x exits with its status, 0 to 125."},
	{EXIT_INTERRUPTED, "^C", "The wait ended; what was begun goes on."},
	{0, NULL, NULL},
};
