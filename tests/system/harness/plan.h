/* plan: what tests of plan, apply and scan look for in their documents, and the
 * files that they change for it. */
#pragma once

#include "tests/system/harness/ctl.h"

/* More lines of supd.yaml, instead of those before. */
void plan_extra(struct gateway_run *g, const char *text);
/* DIR/conf.d/NAME */
void plan_put_in(struct gateway_run *g, const char *name, const char *text);
/* The row of a list whose key has that value, borrowed; NULL: none. */
json_t *plan_row(const struct ctl *c, const char *list, const char *key,
	const char *value);
const char *plan_text(const json_t *row, const char *key); /* "" if none */
/* reason may be NULL: any. */
void plan_expect_step(const struct ctl *c, const char *id, const char *action,
	const char *reason);
void plan_expect_change(const struct ctl *c, const char *path, const char *kind,
	const char *class);
long plan_table_generation(struct gateway_run *g);
