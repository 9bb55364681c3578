/* option_rows: the table of options and that of exit codes, which parser,
 * help, completions and the manual are made from. Reads single values. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tools/supctl/options.h"

#define ON(verb) (UINT64_C(1) << VERB_##verb)
#define TO(field) .place = offsetof(struct options, field)

static_assert(VERB_COUNT <= 64 && OPTION_COUNT <= 64, "sets are 64 bits");

static int
read_timeout(struct options *o, const char *text, struct error *err)
{
	if (duration_read(text, &o->timeout_ms))
		return error_set(err,
			"--timeout needs a time like 500ms or 10s, not '%s'",
			text);
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
			"--wait is for committed or settled, not '%s'", text);
	o->wait = text;
	return 0;
}

const struct option_row option_rows[OPTION_COUNT] = {
	[OPTION_SOCKET] = {"socket", 's', "PATH", 0,
		"the control socket (else $SUPCTL_SOCKET, else where supd "
		"puts it)",
		TO(socket)},
	[OPTION_JSON] = {"json", 0, NULL, 0,
		"one JSON document on stdout and nothing else", TO(json)},
	[OPTION_TIMEOUT] = {"timeout", 0, "D", 0,
		"wait at most that long (500ms, 10s, 5m), then exit 7",
		.read = read_timeout},
	[OPTION_NO_COLOR] = {"no-color", 0, NULL, 0,
		"no colours, as with $NO_COLOR", TO(no_color)},
	[OPTION_HELP] = {"help", 'h', NULL, 0, "this, or the help of a verb",
		TO(help)},
	[OPTION_VERSION] = {"version", 0, NULL, 0,
		"the version of supctl alone", TO(own_version)},
	[OPTION_KIND] = {"kind", 0, "KIND", ON(ROUTES),
		"only http, tool, command or method", TO(kind)},
	[OPTION_PLUGIN] = {"plugin", 0, "ID", ON(ROUTES), "only of that plugin",
		TO(plugin)},
	[OPTION_ALL] = {"all", 0, NULL, ON(RELOAD),
		"every plugin that should run", TO(all)},
	[OPTION_CHANGED] = {"changed", 0, NULL, ON(RELOAD),
		"those whose settings or digest differ from what runs",
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
		"start a candidate, show what would come and go, discard it",
		TO(prove)},
	[OPTION_FORCE] = {"force", 0, NULL, ON(RELOAD),
		"end the old one's requests in flight at the swap", TO(force)},
	[OPTION_NO_DROP] = {"no-drop", 0, NULL, ON(RELOAD),
		"fail if a registration would go", TO(no_drop)},
	[OPTION_IF_SAFE] = {"if-safe", 0, NULL, ON(RELOAD),
		"refuse (exit 6) where can-reload says no", TO(if_safe)},
	[OPTION_WAIT] = {"wait", 0, "committed|settled", ON(RELOAD),
		"for the verdict (committed, the default), or until the old "
		"one is gone",
		.read = read_wait},
	[OPTION_NO_WAIT] = {"no-wait", 0, NULL, ON(RELOAD) | ON(SHUTDOWN),
		"do not wait; a reload prints its id", TO(no_wait)},
	[OPTION_FOLLOW] = {"follow", 'f', NULL, ON(LOGS) | ON(EVENTS),
		"go on with what comes; --json: a document a line", TO(follow)},
	[OPTION_LINES] = {"lines", 'n', "N",
		ON(LOGS) | ON(EVENTS) | ON(HISTORY),
		"the last N (50 unless told); 500 lines of a log, 1000 events "
		"and 2000 verdicts are kept at most",
		.read = read_lines},
	[OPTION_DIR] = {"dir", 0, "DIR", ON(NEW),
		"make the folder NAME in DIR instead of here", TO(dir)},
};

const struct exit_row exit_rows[] = {
	{0, "done", NULL},
	{1, "failed",
		"A reload that rolled back: the old generation serves. An "
		"atomic set that failed; all of several failed; a "
		"configuration that check refuses."},
	{2, "usage", NULL},
	{3, "supd not running",
		"Nobody listens at the socket, or supd went away during the "
		"call: what it had begun ends with it. Nothing is started."},
	{4, "permission denied", "Nothing has changed."},
	{5, "no such plugin", NULL},
	{6, "refused", "Busy, disabled or not safe now."},
	{7, "timed out waiting",
		"The waiting ended; what was begun goes on. Verbs that only "
		"look wait 5 s without --timeout."},
	{8, "some of several failed", NULL},
	{EXIT_INTERRUPTED, "^C", "The waiting ended; what was begun goes on."},
	{0, NULL, NULL},
};
