/* api_rows: see api_rows.h. */
#include "supervisor/http/api_rows.h"

#include <stdio.h>
#include <string.h>

#define SEGMENTS_MAX 4

/* Cuts the first segment off a row's path. */
static struct bytes
next_segment(const char **path)
{
	struct bytes segment = {*path, strcspn(*path, "/")};

	*path += segment.length;
	*path += **path == '/';
	return segment;
}

/* How exactly a row's path matches: a bit per literal segment, the first one
 * the highest; 0: no match. */
static unsigned
path_fits(const char *row, const struct path *path)
{
	unsigned i = 1, fit = 1u << SEGMENTS_MAX;

	for (; *row; i++) {
		struct bytes segment = next_segment(&row);

		if (i >= path->count || !path->segments[i].length)
			return 0;
		if (*segment.at == '{')
			continue;
		if (!bytes_equal(segment, path->segments[i]))
			return 0;
		fit |= 1u << (SEGMENTS_MAX - i);
	}
	return i == path->count ? fit : 0;
}

static void
add_allowed(char allow[API_ALLOW_BYTES], const char *method)
{
	size_t used = strlen(allow);

	snprintf(allow + used, API_ALLOW_BYTES - used, "%s%s", used ? ", " : "",
		*method == 'G' ? "GET, HEAD" : method);
}

#define for_each_call(row)                                                     \
	for (struct api_row row = {.verb = 0}; row.verb < VERB_COUNT;          \
		row.verb++)                                                    \
		for (row.http = verb_rows[row.verb].http;                      \
			row.http <                                             \
				verb_rows[row.verb].http + VERB_CALLS_MAX &&   \
			row.http->method;                                      \
			row.http++)

bool
api_row_find(struct bytes method, const struct path *path,
	char allow[API_ALLOW_BYTES], struct api_row *row_out)
{
	unsigned best = 0, fit;
	bool found = false;

	allow[0] = '\0';
	for_each_call(row)
	{
		fit = path_fits(row.http->path, path);
		if (!fit || fit < best)
			continue;
		if (fit > best) {
			allow[0] = '\0';
			found = false;
		}
		best = fit;
		if (bytes_equal(bytes_of(row.http->method), method)) {
			*row_out = row;
			found = true;
		}
		add_allowed(allow, row.http->method);
	}
	return found;
}

bool
api_row_name(const struct api_row *row, const struct path *path,
	struct bytes *key_out, struct bytes *value_out)
{
	const char *at = row->http->path;

	for (unsigned i = 1; *at; i++) {
		struct bytes segment = next_segment(&at);

		if (*segment.at != '{')
			continue;
		*key_out = (struct bytes){segment.at + 1, segment.length - 2};
		*value_out = path->segments[i];
		return true;
	}
	return false;
}

enum verb_role
api_row_role(const struct api_row *row)
{
	enum verb_role role = verb_rows[row->verb].role;

	return row->http->role > role ? row->http->role : role;
}

json_t *
api_rows_list(void)
{
	json_t *calls = json_array();
	char path[80];

	json_array_append_new(calls,
		json_pack("{s:s,s:s,s:n,s:s,s:s}", "method", "GET", "path",
			"/api", "verb", "role", verb_role_name(VERB_VIEWER),
			"help", "List these calls."));
	for_each_call(row)
	{
		const struct verb_row *verb = &verb_rows[row.verb];

		snprintf(path, sizeof(path), "/api/%s", row.http->path);
		json_array_append_new(
			calls, json_pack("{s:s,s:s,s:s,s:s,s:s}", "method",
				       row.http->method, "path", path, "verb",
				       verb->name, "role",
				       verb_role_name(api_row_role(&row)),
				       "help", verb->help));
	}
	return json_pack("{s:o}", "calls", calls);
}
