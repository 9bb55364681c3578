/* reference: what the printers of the tables share. */
#pragma once

#include <stdio.h>

#include "supervisor/config/schema.h"

/* "size 1KiB-1MiB", "nng, native", "text of at most 64 bytes" */
void reference_print_type(const struct schema_row *row, FILE *out);

/* Told of each key, a map's before those within it: its whole name
 * ("listen[].http", "plugins.ID.mount"). An INLINE row comes as the name up to
 * where its keys stand. */
typedef void reference_key(
	void *user, const struct schema_row *row, const char *key);
void reference_walk(
	const struct schema_table *table, reference_key *tell, void *user);
