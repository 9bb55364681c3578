#include "recent.h"

#include <string.h>

static const char begin[] = "{\"id\":";

void
recent_add(struct recent *r, uint64_t id)
{
	r->ids[r->next] = id;
	r->next = (r->next + 1) % RECENT_MAX;
}

bool
recent_has(const struct recent *r, uint64_t id)
{
	for (size_t i = 0; i < RECENT_MAX; i++)
		if (r->ids[i] == id)
			return id != 0;
	return false;
}

uint64_t
recent_id(const char *line, size_t bytes)
{
	size_t at = sizeof(begin) - 1;
	uint64_t id = 0;

	if (bytes < at || memcmp(line, begin, at) != 0)
		return 0;
	for (; at < bytes && line[at] >= '0' && line[at] <= '9'; at++)
		id = id * 10 + (uint64_t)(line[at] - '0');
	return at < bytes && line[at] == ',' ? id : 0;
}

size_t
recent_add_lines(struct recent *r, const char *text, size_t bytes)
{
	size_t whole = 0;

	while (whole < bytes) {
		const char *line = text + whole;
		const char *end = memchr(line, '\n', bytes - whole);
		uint64_t id;

		if (!end)
			break;
		id = recent_id(line, (size_t)(end - line));
		if (id)
			recent_add(r, id);
		whole += (size_t)(end - line) + 1;
	}
	return whole;
}
