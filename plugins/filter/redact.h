/* redact: takes secrets out of fields: what matches a regex in their strings,
 * at any depth, or the whole value. */
#pragma once

#include "field.h"
#include "pattern.h"

#define REDACT_FIELDS_MAX 32

struct redact {
	struct field fields[REDACT_FIELDS_MAX];
	size_t field_count;
	struct pattern *pattern; /* NULL: the whole value */
	json_t *with;		 /* a string */
};

/* Reads {fields, regex?, with?}. -1 with the reason; finish it anyhow. */
int redact_read(struct redact *r, const struct node *n, char why[WHY_BYTES]);
void redact_finish(struct redact *r);
/* 1: something was replaced. -1: see work->why. */
int redact_run(struct redact *r, json_t **data, struct work *work);
