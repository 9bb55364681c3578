#include "line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A member as JSON text; the caller frees. */
static char *
member(const json_t *map, const char *key)
{
	const json_t *value = json_object_get(map, key);

	return value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT)
		     : strdup("null");
}

char *
line_write(const json_t *context, const char *event, const char *data,
	size_t *bytes_out)
{
	char *at = member(context, "at"), *plugin = member(context, "plugin");
	char *chain = member(context, "chain"), *line = NULL;
	int bytes = -1;

	if (at && plugin && chain)
		bytes = asprintf(&line,
			"{\"id\":%" JSON_INTEGER_FORMAT
			",\"at\":%s,\"event\":\"%s\",\"plugin\":%s,"
			"\"chain\":%s,\"data\":%s}\n",
			json_integer_value(json_object_get(context, "id")), at,
			event, plugin, chain, data);
	free(at);
	free(plugin);
	free(chain);
	*bytes_out = bytes < 0 ? 0 : (size_t)bytes;
	return bytes < 0 ? NULL : line;
}

char *
line_of_losses(
	uint64_t lost, const char *reason, int64_t now_ms, size_t *bytes_out)
{
	const time_t now = (time_t)(now_ms / 1000);
	struct tm utc;
	char at[32], *line;
	int bytes;

	gmtime_r(&now, &utc);
	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", &utc);
	bytes = asprintf(&line,
		"{\"id\":0,\"at\":\"%s.%03dZ\",\"event\":\"audit.lost\","
		"\"plugin\":null,\"chain\":[],\"data\":{\"lost\":%" PRIu64
		",\"reason\":\"%s\"}}\n",
		at, (int)(now_ms % 1000), lost, reason);
	*bytes_out = bytes < 0 ? 0 : (size_t)bytes;
	return bytes < 0 ? NULL : line;
}
