/* condition: one line of a rule's `when`: a field, and what it must be. */
#pragma once

#include "field.h"
#include "pattern.h"

enum condition_kind {
	CONDITION_EQUALS, /* one of the values */
	CONDITION_PREFIX,
	CONDITION_REGEX,
	CONDITION_EXISTS,
};

struct condition {
	struct field field;
	enum condition_kind kind;
	bool negated;
	json_t *values; /* EQUALS: a list; PREFIX: its text */
	struct pattern *pattern;
};

/* Reads `PATH: TEST`. -1 with the reason; finish it in either case. */
int condition_read(struct condition *c, const char *path,
	const struct node *test, char why[WHY_BYTES]);
void condition_finish(struct condition *c);
/* 1, 0, or -1: see work->why. */
int condition_holds(struct condition *c, json_t *data, struct work *work);
