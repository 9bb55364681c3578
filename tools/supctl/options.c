/* options: parser and help from one table. An option that its verb does not
 * have is an error, never ignored. */
#include "tools/supctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum option_id {
	OPTION_SOCKET = 's',
	OPTION_FOLLOW = 'f',
	OPTION_LINES = 'n',
	OPTION_HELP = 'h',
	OPTION_JSON = 256,
	OPTION_TIMEOUT,
	OPTION_NO_COLOR,
	OPTION_VERSION,
	OPTION_KIND,
	OPTION_PLUGIN,
	OPTION_ALL,
	OPTION_PACKAGE,
	OPTION_FORCE,
	OPTION_NO_DROP,
	OPTION_IF_SAFE,
	OPTION_ATOMIC,
	OPTION_PROVE,
	OPTION_WAIT,
	OPTION_NO_WAIT,
	OPTION_PLANNED,
};

#define ON(verb) (1u << VERB_##verb)
#define EVERYWHERE 0u

/* Letters are the ids below 256. */
static const struct option_row {
	const char *name, *argument;
	enum option_id id;
	uint32_t verbs;
	const char *help;
} rows[] = {
	{"socket", "PATH", OPTION_SOCKET, EVERYWHERE,
		"the control socket (else $SUPCTL_SOCKET, else where supd "
		"puts it)"},
	{"json", NULL, OPTION_JSON, EVERYWHERE,
		"one JSON document on stdout and nothing else"},
	{"timeout", "D", OPTION_TIMEOUT, EVERYWHERE,
		"wait at most that long (500ms, 10s, 5m), then exit 7"},
	{"no-color", NULL, OPTION_NO_COLOR, EVERYWHERE, "no colours"},
	{"help", NULL, OPTION_HELP, EVERYWHERE, "this, or the help of a verb"},
	{"version", NULL, OPTION_VERSION, EVERYWHERE,
		"the version of supctl alone"},
	{"kind", "KIND", OPTION_KIND, ON(ROUTES),
		"only http, tool, command or method"},
	{"plugin", "ID", OPTION_PLUGIN, ON(ROUTES), "only of that plugin"},
	{"all", NULL, OPTION_ALL, ON(RELOAD), "every plugin that should run"},
	{"package", "NAME", OPTION_PACKAGE, ON(RELOAD),
		"every plugin that uses the package"},
	{"force", NULL, OPTION_FORCE, ON(RELOAD),
		"end the old one's requests in flight at the swap"},
	{"no-drop", NULL, OPTION_NO_DROP, ON(RELOAD),
		"fail if a registration would go"},
	{"if-safe", NULL, OPTION_IF_SAFE, ON(RELOAD),
		"refuse (exit 6) where can-reload says no"},
	{"atomic", NULL, OPTION_ATOMIC, ON(RELOAD),
		"all of them in one step, or none"},
	{"prove", NULL, OPTION_PROVE, ON(RELOAD),
		"start and check a candidate, show what would come and go, "
		"discard it"},
	{"wait", "WHAT", OPTION_WAIT, ON(RELOAD),
		"committed (the default) or settled"},
	{"no-wait", NULL, OPTION_NO_WAIT, ON(RELOAD) | ON(SHUTDOWN),
		"do not wait; a reload prints its id"},
	{"follow", NULL, OPTION_FOLLOW, ON(LOGS) | ON(EVENTS),
		"go on with what comes"},
	{"lines", "N", OPTION_LINES, ON(LOGS) | ON(EVENTS) | ON(HISTORY),
		"the last N (50 unless told; 500 lines of a log, 1000 events "
		"and 2000 verdicts are kept at most)"},
	{"changed", NULL, OPTION_PLANNED, ON(RELOAD), NULL},
	{"plan", NULL, OPTION_PLANNED, ON(RELOAD), NULL},
};
#define ROW_COUNT (sizeof(rows) / sizeof(*rows))

int
duration_read(const char *text, uint64_t *ms_out)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000},
		{"", 1000}};
	char *end;
	double number;

	if (*text < '0' || *text > '9')
		return -1;
	number = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].unit) && number < 1e9) {
			*ms_out = (uint64_t)(number * units[i].ms);
			return 0;
		}
	return -1;
}

static int
read_lines(struct options *o, const char *text, struct error *err)
{
	char *end;
	unsigned long lines = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || lines > 1000000)
		return error_set(err, "-n needs a number, not '%s'", text);
	o->lines = (unsigned)lines;
	o->lines_set = true;
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

static int
take(struct options *o, enum option_id id, const char *value, struct error *err)
{
	switch (id) {
	case OPTION_SOCKET:
		o->socket = value;
		break;
	case OPTION_JSON:
		o->json = true;
		break;
	case OPTION_NO_COLOR:
		o->no_color = true;
		break;
	case OPTION_HELP:
		o->help = true;
		break;
	case OPTION_VERSION:
		o->own_version = true;
		break;
	case OPTION_TIMEOUT:
		if (duration_read(value, &o->timeout_ms))
			return error_set(err,
				"--timeout needs a time like 500ms or 10s, "
				"not '%s'",
				value);
		break;
	case OPTION_KIND:
		o->kind = value;
		break;
	case OPTION_PLUGIN:
		o->plugin = value;
		break;
	case OPTION_PACKAGE:
		o->package = value;
		break;
	case OPTION_ALL:
		o->all = true;
		break;
	case OPTION_FORCE:
		o->force = true;
		break;
	case OPTION_NO_DROP:
		o->no_drop = true;
		break;
	case OPTION_IF_SAFE:
		o->if_safe = true;
		break;
	case OPTION_PROVE:
		o->prove = true;
		break;
	case OPTION_ATOMIC:
		o->atomic = true;
		break;
	case OPTION_NO_WAIT:
		o->no_wait = true;
		break;
	case OPTION_FOLLOW:
		o->follow = true;
		break;
	case OPTION_WAIT:
		return read_wait(o, value, err);
	case OPTION_LINES:
		return read_lines(o, value, err);
	case OPTION_PLANNED:
		break;
	}
	return 0;
}

/* What getopt needs, made from the rows: val is the row's place + 1. */
static void
getopt_tables(struct option *longs, char *shorts)
{
	*shorts++ = ':';
	for (size_t i = 0; i < ROW_COUNT; i++) {
		longs[i] = (struct option){rows[i].name,
			rows[i].argument ? required_argument : no_argument,
			NULL, (int)i + 1000};
		if (rows[i].id < 256) {
			*shorts++ = (char)rows[i].id;
			if (rows[i].argument)
				*shorts++ = ':';
		}
	}
	longs[ROW_COUNT] = (struct option){0};
	*shorts = 0;
}

static const struct option_row *
row_of(int found)
{
	if (found >= 1000)
		return &rows[found - 1000];
	for (size_t i = 0; i < ROW_COUNT; i++)
		if ((int)rows[i].id == found)
			return &rows[i];
	return NULL;
}

static int
read_verb(struct options *o, const char *name, struct error *err)
{
	o->verb = verb_by_name(name);
	if (o->verb != VERB_UNKNOWN)
		return 0;
	if (verb_is_planned(name))
		return error_set(err, "'%s' is not supported yet", name);
	return error_set(err, "there is no verb '%s'", name);
}

/* Whether the verb has the options that were given. */
static int
check_options(const struct options *o,
	const struct option_row *const given[ROW_COUNT], struct error *err)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (!given[i])
			continue;
		if (given[i]->verbs && !(given[i]->verbs & (1u << o->verb)))
			return error_set(err, "'%s' has no option --%s",
				verb_rows[o->verb].name, given[i]->name);
		if (given[i]->id == OPTION_PLANNED)
			return error_set(err, "--%s is not supported yet",
				given[i]->name);
	}
	return 0;
}

int
options_read(struct options *o, int argc, char **argv, struct error *err)
{
	const struct option_row *given[ROW_COUNT] = {0};
	struct option longs[ROW_COUNT + 1];
	char shorts[2 * ROW_COUNT + 2];
	int found;

	*o = (struct options){
		.timeout_ms = TIMEOUT_UNSET, .verb = VERB_UNKNOWN};
	getopt_tables(longs, shorts);
	opterr = 0;
	while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_row *row = row_of(found);

		if (found == ':')
			return error_set(
				err, "%s needs a value", argv[optind - 1]);
		if (!row)
			return error_set(
				err, "there is no option %s", argv[optind - 1]);
		given[row - rows] = row;
		if (take(o, row->id, optarg, err))
			return -1;
	}
	if (optind == argc)
		return o->help || o->own_version
			       ? 0
			       : error_set(err, "a verb is missing");
	if (read_verb(o, argv[optind], err))
		return -1;
	o->words = argv + optind + 1;
	o->word_count = argc - optind - 1;
	return check_options(o, given, err);
}

static void
print_option(FILE *out, const struct option_row *row)
{
	char text[64];

	snprintf(text, sizeof(text), "%s--%s%s%s",
		row->id < 256 ? (char[]){'-', (char)row->id, ',', ' ', 0}
			      : "    ",
		row->name, row->argument ? " " : "",
		row->argument ? row->argument : "");
	fprintf(out, "  %-22s  %s\n", text, row->help);
}

static void
print_options(FILE *out, enum verb verb)
{
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (rows[i].id != OPTION_PLANNED &&
			(verb == VERB_UNKNOWN ? !rows[i].verbs
					      : rows[i].verbs & (1u << verb)))
			print_option(out, &rows[i]);
}

void
options_print_help(FILE *out, enum verb verb)
{
	if (verb != VERB_UNKNOWN) {
		const struct verb_row *row = &verb_rows[verb];

		fprintf(out, "Usage: supctl [OPTION]... %s %s\n%s\n\n",
			row->name, row->arguments, row->help);
		print_options(out, verb);
		fputs("\nOptions of every verb:\n", out);
		print_options(out, VERB_UNKNOWN);
		return;
	}
	fputs("Usage: supctl [OPTION]... VERB [ARGUMENT]...\n"
	      "Controls a running supd.\n\nVerbs:\n",
		out);
	for (int i = 0; i < VERB_COUNT; i++)
		fprintf(out, "  %-11s %s\n", verb_rows[i].name,
			verb_rows[i].help);
	fputs("\nOptions:\n", out);
	print_options(out, VERB_UNKNOWN);
	fputs("\n'supctl VERB --help' tells more about a verb.\n"
	      "Exit: 0 done, 1 failed, 2 usage, 3 supd not running, 4 "
	      "permission denied,\n5 no such plugin, 6 refused, 7 timed out "
	      "waiting, 8 some of several failed, 130 ^C.\n",
		out);
}
