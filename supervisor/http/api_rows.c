/* api_rows: the table and its one question. */
#include "supervisor/http/api_rows.h"

#include <stdio.h>
#include <string.h>

#define CALL(what)                                                             \
	.verb = "call", .name_key = "name", .value_key = "args", .kind = what, \
	.answer = API_ANSWER_RESULT
#define OF_PLUGIN .name_key = "id"

static const struct api_row rows[] = {
	{"POST", {"plugins", "reload"}, .verb = "reload",
		.body = API_BODY_ARGS},
	{"POST", {"plugins", "scan"}, .verb = "scan", .body = API_BODY_ARGS},
	{"GET", {"plugins"}, .verb = "list"},
	{"GET", {"plugins", "*"}, .verb = "show", OF_PLUGIN},
	{"GET", {"plugins", "*", "can-reload"}, .verb = "can-reload",
		OF_PLUGIN},
	{"POST", {"plugins", "*", "start"}, .verb = "start", OF_PLUGIN,
		.body = API_BODY_ARGS},
	{"POST", {"plugins", "*", "stop"}, .verb = "stop", OF_PLUGIN,
		.body = API_BODY_ARGS},
	{"POST", {"plugins", "*", "restart"}, .verb = "restart", OF_PLUGIN,
		.body = API_BODY_ARGS},
	{"POST", {"plugins", "*", "enable"}, .verb = "enable", OF_PLUGIN,
		.body = API_BODY_ARGS},
	{"POST", {"plugins", "*", "disable"}, .verb = "disable", OF_PLUGIN,
		.body = API_BODY_ARGS},
	{"GET", {"routes"}, .verb = "routes"},
	{"GET", {"status"}, .verb = "status"},
	{"GET", {"version"}, .verb = "version"},
	{"GET", {"metrics"}, .verb = "metrics"},
	{"GET", {"history"}, .verb = "history"},
	{"GET", {"events"}, .verb = "events", .answer = API_ANSWER_STREAM},
	{"POST", {"events", "*"}, .verb = "emit", .name_key = "name",
		.body = API_BODY_VALUE, .value_key = "data"},
	{"GET", {"config"}, .verb = "config"},
	{"GET", {"config", "plan"}, .verb = "plan"},
	{"POST", {"config", "apply"}, .verb = "apply", .body = API_BODY_ARGS},
	{"POST", {"tools", "*"}, CALL("tool"), .body = API_BODY_VALUE},
	{"POST", {"commands", "*"}, CALL("command"), .body = API_BODY_TEXT},
};
#define ROW_COUNT (sizeof(rows) / sizeof(*rows))
#define SEGMENTS_MAX 4

/* How exactly the row says the path: a bit for each literal segment, the first
 * one the greatest; 0: it does not. */
static unsigned
row_fits(const struct api_row *row, const struct path *path)
{
	unsigned i, fit = 1u << SEGMENTS_MAX;

	for (i = 0; i < SEGMENTS_MAX && row->segments[i]; i++) {
		if (i + 1 >= path->count || !path->segments[i + 1].length)
			return 0;
		if (row->segments[i][0] == '*')
			continue;
		if (!bytes_equal(
			    bytes_of(row->segments[i]), path->segments[i + 1]))
			return 0;
		fit |= 1u << (SEGMENTS_MAX - 1 - i);
	}
	return i + 1 == path->count ? fit : 0;
}

static void
add_allowed(char allow[API_ALLOW_BYTES], const char *method)
{
	size_t used = strlen(allow);

	snprintf(allow + used, API_ALLOW_BYTES - used, "%s%s", used ? ", " : "",
		*method == 'G' ? "GET, HEAD" : method);
}

const struct api_row *
api_row_find(struct bytes method, const struct path *path,
	char allow[API_ALLOW_BYTES])
{
	unsigned fits[ROW_COUNT], best = 0;

	allow[0] = '\0';
	for (size_t i = 0; i < ROW_COUNT; i++) {
		fits[i] = row_fits(&rows[i], path);
		best = fits[i] > best ? fits[i] : best;
	}
	for (size_t i = 0; best && i < ROW_COUNT; i++) {
		if (fits[i] != best)
			continue;
		if (bytes_equal(bytes_of(rows[i].method), method))
			return &rows[i];
		add_allowed(allow, rows[i].method);
	}
	return NULL;
}
