/* condition: what a client's conditions make of a file: the whole of it, a
 * part, or nothing. Pure: it opens nothing. (RFC 9110, 13 and 14) */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* What is known of a file. */
struct facts {
	uint64_t bytes;
	time_t modified;
	char etag[72]; /* quoted, "W/" before it if it is a weak one */
};

/* Header fields as they came, NULL if absent. */
struct condition {
	const char *if_match, *if_none_match;
	const char *if_modified_since, *if_unmodified_since;
	const char *range, *if_range;
	bool is_head;
};

struct part {
	uint64_t first, bytes;
};

/* The status: 200 with all of it as part_out, 206 with the part that is asked
 * for, 304, 412 or 416. More than one range is answered with all of it. */
int condition_judge(const struct condition *c, const struct facts *f,
	struct part *part_out);

/* "Sun, 06 Nov 1994 08:49:37 GMT", 30 bytes with its NUL. */
void date_write(time_t t, char text[30]);
/* In any of the three forms that HTTP knows; -1: it is none of them. */
time_t date_read(const char *text);
