/* rules: all of them, in order, and what they make of an event. Each sees what
 * the one before left; the first that stops ends it. Knows no gateway. */
#pragma once

#include "rule.h"

#define RULES_MAX 1000

struct rules {
	struct rule *items;
	size_t count;
	unsigned events; /* bits: those that any rule is for */
};

enum verdict { VERDICT_PASS, VERDICT_CHANGE, VERDICT_STOP, VERDICT_FAIL };

struct outcome {
	enum verdict verdict;
	json_t *data;	    /* of CHANGE: the caller's */
	const char *reason; /* of STOP and FAIL: lasts as long as the rules */
	const struct rule *rule; /* the one that stopped or failed */
};

/* Reads a list of rules, or a map with that list as `rules`. -1 with the
 * reason; finish them in either case. */
int rules_read(struct rules *all, const struct node *n, char why[WHY_BYTES]);
void rules_finish(struct rules *all);
/* The data is borrowed and stays as it is. now_ms: the time for limits.
 * work_ms: the processor's time that all rules together may use. */
struct outcome rules_run(struct rules *all, enum rule_event event, json_t *data,
	uint64_t now_ms, uint64_t work_ms);
/* What they have done, for people and as JSON. */
json_t *rules_report(const struct rules *all);
char *rules_table(const struct rules *all); /* the caller frees */
