/* output_hub: the last OUTPUT_LINES lines of all plugins in one order, and of
 * those before, the last OUTPUT_KEPT that report an error. It keeps references
 * to lines; the lines are in the rings. */
#pragma once

#include "supervisor/plugin/output.h"

struct output_hub *output_hub_create(void);
/* All rings must be destroyed before. NULL is fine. */
void output_hub_destroy(struct output_hub *h);
/* Called by a ring: a line was added; the ring is destroyed. */
void output_hub_add(struct output_hub *h, const struct output *o,
	const struct output_line *line);
void output_hub_forget(struct output_hub *h, const struct output *o);

/* Like output_at() and output_until(), by the line's number among all plugins'
 * lines; *id_out is its plugin. */
const struct output_line *output_hub_at(
	const struct output_hub *h, uint64_t *number, const char **id_out);
const struct output_line *output_hub_until(
	const struct output_hub *h, uint64_t *number, const char **id_out);
uint64_t output_hub_newest(const struct output_hub *h);
void output_hub_follow(struct output_hub *h, struct output_follower *f);
