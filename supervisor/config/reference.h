/* reference: shared by the printers of the tables. */
#pragma once

#include <stdio.h>

#include "supervisor/config/schema.h"

/* "size 1KiB-1MiB", "nng, native", "text of at most 64 bytes" */
void reference_print_type(const struct schema_row *row, FILE *out);

/* Called for each key with its full name ("listen[].http", "plugins.ID.mount"),
 * a map before its keys. For an INLINE row the name is that of the map around
 * it. */
typedef void reference_key(
	void *user, const struct schema_row *row, const char *key);
void reference_walk(
	const struct schema_table *table, reference_key *report, void *user);
