#include "rule.h"

#include <stdlib.h>
#include <string.h>

const char *const rule_events[EVENT_COUNT] = {
#define X(name, text) [EVENT_##name] = text,
	RULE_EVENTS(X)
#undef X
};

const char *const rule_kinds[RULE_KIND_COUNT] = {
	[RULE_DROP] = "drop",
	[RULE_RENAME] = "rename",
	[RULE_REDACT] = "redact",
	[RULE_ENRICH] = "enrich",
	[RULE_LIMIT] = "limit",
};

int
rule_event_of(const char *name)
{
	for (int i = 0; i < EVENT_COUNT; i++)
		if (!strcmp(name, rule_events[i]))
			return i;
	return -1;
}

void
rule_finish(struct rule *r)
{
	for (size_t i = 0; i < r->condition_count; i++)
		condition_finish(&r->conditions[i]);
	for (size_t i = 0; i < r->change_count; i++)
		json_decref(r->changes[i].value);
	free(r->conditions);
	free(r->changes);
	redact_finish(&r->redact);
	limit_destroy(r->limit);
	free(r->reason);
	free(r->name);
}

/* ---- for whom ---- */

static int
read_event(struct rule *r, const struct node *n, char why[WHY_BYTES])
{
	const char *name = node_text(n);
	int event = name ? rule_event_of(name) : -1;

	if (event < 0)
		return node_fail(n, why,
			"'%.60s' cannot be filtered; message.inbound, "
			"message.sending, tool.before, tool.after and "
			"command.before can",
			name ? name : "this");
	r->events |= 1U << event;
	return 0;
}

static int
read_events(struct rule *r, const struct node *map, char why[WHY_BYTES])
{
	const struct node *n = node_get(map, "on");

	if (!n)
		return node_fail(map, why, "on is missing: the events");
	if (n->kind != NODE_LIST)
		return read_event(r, n, why);
	if (!n->count)
		return node_fail(n, why, "must not be an empty list");
	for (size_t i = 0; i < n->count; i++)
		if (read_event(r, n->items[i], why))
			return -1;
	return 0;
}

static int
read_conditions(struct rule *r, const struct node *n, char why[WHY_BYTES])
{
	if (!n)
		return 0;
	if (n->kind != NODE_MAP || !n->count || n->count > RULE_CONDITIONS_MAX)
		return node_fail(n, why, "must be a map of 1 to %d fields",
			RULE_CONDITIONS_MAX);
	r->conditions = calloc(n->count, sizeof(*r->conditions));
	if (!r->conditions)
		return node_fail(n, why, "no memory");
	for (size_t i = 0; i < n->count; i++) {
		r->condition_count++;
		if (condition_read(
			    &r->conditions[i], n->keys[i], n->items[i], why))
			return -1;
	}
	return 0;
}

/* ---- what it does ---- */

/* A copy of a text of bounded length. */
static int
read_text(char **text_out, const struct node *n, char why[WHY_BYTES])
{
	const char *text = node_text(n);

	if (!text || !*text || strlen(text) > RULE_TEXT_MAX)
		return node_fail(n, why, "must be a string of 1 to %d bytes",
			RULE_TEXT_MAX);
	*text_out = strdup(text);
	return *text_out ? 0 : node_fail(n, why, "no memory");
}

static int
read_drop(struct rule *r, const struct node *n, size_t *keys_left,
	char why[WHY_BYTES])
{
	(void)keys_left;
	return read_text(&r->reason, n, why);
}

static int
read_target(struct field *f, const char *text, const struct node *at,
	char why[WHY_BYTES])
{
	const char *defect = field_read(f, text, strlen(text));

	if (!defect && f->has_star)
		defect = "a * is not allowed here";
	return defect ? node_fail(at, why, "%s", defect) : 0;
}

/* Reads {FIELD: something…}. */
static int
read_changes(struct rule *r, const struct node *n, char why[WHY_BYTES])
{
	if (n->kind != NODE_MAP || !n->count || n->count > RULE_CHANGES_MAX)
		return node_fail(n, why, "must be a map of 1 to %d fields",
			RULE_CHANGES_MAX);
	r->changes = calloc(n->count, sizeof(*r->changes));
	if (!r->changes)
		return node_fail(n, why, "no memory");
	r->change_count = n->count;
	for (size_t i = 0; i < n->count; i++)
		if (read_target(
			    &r->changes[i].field, n->keys[i], n->items[i], why))
			return -1;
	return 0;
}

static int
read_rename(struct rule *r, const struct node *n, size_t *keys_left,
	char why[WHY_BYTES])
{
	(void)keys_left;
	if (read_changes(r, n, why))
		return -1;
	for (size_t i = 0; i < n->count; i++) {
		const char *to = node_text(n->items[i]);

		if (!to)
			return node_fail(
				n->items[i], why, "must be the new field");
		if (read_target(&r->changes[i].to, to, n->items[i], why))
			return -1;
	}
	return 0;
}

static int
read_enrich(struct rule *r, const struct node *n, size_t *keys_left,
	char why[WHY_BYTES])
{
	(void)keys_left;
	if (read_changes(r, n, why))
		return -1;
	for (size_t i = 0; i < n->count; i++)
		r->changes[i].value = node_json(n->items[i]);
	return 0;
}

static int
read_redact(struct rule *r, const struct node *n, size_t *keys_left,
	char why[WHY_BYTES])
{
	(void)keys_left;
	return redact_read(&r->redact, n, why);
}

/* One bucket for all, or LIMIT_KEYS if the map has a key. */
static int
read_keys(size_t *keys_out, const struct node *map, size_t *keys_left,
	char why[WHY_BYTES])
{
	const struct node *n = node_get(map, "keys");
	json_int_t keys = node_get(map, "key") ? LIMIT_KEYS : 1;

	if (n && n->kind == NODE_SCALAR && json_is_integer(n->value))
		keys = json_integer_value(n->value);
	else if (n)
		return node_fail(n, why, "must be a number");
	if (keys < 1 || keys > LIMIT_KEYS_MAX)
		return node_fail(
			n, why, "must be between 1 and %d", LIMIT_KEYS_MAX);
	if ((size_t)keys > *keys_left)
		return node_fail(map, why,
			"the limits have more than %d keys together",
			RULES_KEYS_MAX);
	*keys_left -= (size_t)keys;
	*keys_out = (size_t)keys;
	return 0;
}

static int
read_limit(struct rule *r, const struct node *n, size_t *keys_left,
	char why[WHY_BYTES])
{
	static const char *const known[] = {
		"rate", "key", "keys", "reason", NULL};
	const struct node *rate, *key, *reason;
	const char *defect = "must be a rate such as 5/10s";
	struct limit_rate read;
	size_t keys = 0;

	if (node_check_keys(n, known, why))
		return -1;
	rate = node_get(n, "rate");
	key = node_get(n, "key");
	reason = node_get(n, "reason");
	if (!rate)
		return node_fail(n, why, "rate is missing, such as 5/10s");
	if (node_text(rate))
		defect = limit_read_rate(&read, node_text(rate));
	if (defect)
		return node_fail(rate, why, "%s", defect);
	if (key && !node_text(key))
		return node_fail(key, why, "must be a field");
	if ((key && read_target(&r->key, node_text(key), key, why)) ||
		(reason && read_text(&r->reason, reason, why)) ||
		read_keys(&keys, n, keys_left, why))
		return -1;
	r->limit = limit_create(read, keys);
	if (!r->reason)
		r->reason = strdup("too many of these, try again later");
	return r->limit && r->reason ? 0 : node_fail(n, why, "no memory");
}

static int
read_kind(struct rule *r, const struct node *map, size_t *keys_left,
	char why[WHY_BYTES])
{
	static int (*const readers[])(struct rule * r, const struct node *n,
		size_t *keys_left, char why[WHY_BYTES]) = {
		[RULE_DROP] = read_drop,
		[RULE_RENAME] = read_rename,
		[RULE_REDACT] = read_redact,
		[RULE_ENRICH] = read_enrich,
		[RULE_LIMIT] = read_limit,
	};
	const struct node *found = NULL;

	for (int i = 0; i < RULE_KIND_COUNT; i++) {
		const struct node *n = node_get(map, rule_kinds[i]);

		if (n && found)
			return node_fail(n, why,
				"a rule does one thing; make two of it");
		if (n) {
			found = n;
			r->kind = (enum rule_kind)i;
		}
	}
	if (!found)
		return node_fail(map, why,
			"one of drop, rename, redact, enrich, limit is "
			"missing");
	return readers[r->kind](r, found, keys_left, why);
}

int
rule_read(struct rule *r, size_t number, const struct node *n,
	size_t *keys_left, char why[WHY_BYTES])
{
	static const char *const known[] = {"name", "on", "when", "drop",
		"rename", "redact", "enrich", "limit", NULL};
	const struct node *name;

	if (node_check_keys(n, known, why))
		return -1;
	name = node_get(n, "name");
	if (name && read_text(&r->name, name, why))
		return -1;
	if (!name && asprintf(&r->name, "rule %zu", number) < 0)
		return node_fail(n, why, "no memory");
	if (read_events(r, n, why) ||
		read_conditions(r, node_get(n, "when"), why))
		return -1;
	return read_kind(r, n, keys_left, why);
}
