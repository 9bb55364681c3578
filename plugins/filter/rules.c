#include "rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "template.h"

/* ---- reading ---- */

void
rules_finish(struct rules *all)
{
	for (size_t i = 0; i < all->count; i++)
		rule_finish(&all->items[i]);
	free(all->items);
	*all = (struct rules){0};
}

static const struct rule *
find(const struct rules *all, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(all->items[i].name, name))
			return &all->items[i];
	return NULL;
}

static int
read_list(struct rules *all, const struct node *list, char why[WHY_BYTES])
{
	size_t keys_left = RULES_KEYS_MAX;

	all->items = calloc(list->count, sizeof(*all->items));
	if (!all->items)
		return node_fail(list, why, "no memory");
	for (size_t i = 0; i < list->count; i++) {
		struct rule *r = &all->items[i];

		all->count++;
		if (rule_read(r, i + 1, list->items[i], &keys_left, why))
			return -1;
		if (find(all, i, r->name))
			return node_fail(list->items[i], why,
				"there are two rules '%.60s'", r->name);
		all->events |= r->events;
	}
	return 0;
}

int
rules_read(struct rules *all, const struct node *n, char why[WHY_BYTES])
{
	static const char *const known[] = {"rules", NULL};
	const struct node *list = n;

	*all = (struct rules){0};
	if (n->kind == NODE_MAP) {
		if (node_check_keys(n, known, why))
			return -1;
		list = node_get(n, "rules");
	}
	if (!list || list->kind != NODE_LIST || !list->count)
		return node_fail(
			list ? list : n, why, "rules must be a list of rules");
	if (list->count > RULES_MAX)
		return node_fail(
			list, why, "there are more than %d rules", RULES_MAX);
	return read_list(all, list, why);
}

/* ---- applying ---- */

/* The event as the rules see it. */
struct view {
	json_t *data;
	bool is_copy; /* ours to change */
	struct work work;
	uint64_t now_ms;
};

static bool
own(struct view *v)
{
	json_t *copy;

	if (v->is_copy)
		return true;
	copy = json_deep_copy(v->data);
	if (!copy) {
		v->work.why = "no memory";
		return false;
	}
	v->data = copy;
	v->is_copy = true;
	return true;
}

static int
matches(struct rule *r, enum rule_event event, struct view *v)
{
	int holds = 1;

	if (!(r->events & 1U << event))
		return 0;
	for (size_t i = 0; holds == 1 && i < r->condition_count; i++)
		holds = condition_holds(&r->conditions[i], v->data, &v->work);
	return holds;
}

static enum verdict
rename_fields(struct rule *r, struct view *v)
{
	for (size_t i = 0; i < r->change_count; i++) {
		const struct change *c = &r->changes[i];
		json_t *value;

		if (!field_get(&c->field, v->data))
			continue;
		if (!own(v))
			return VERDICT_FAIL;
		value = field_take(&c->field, v->data);
		v->work.why = field_set(&c->to, v->data, value);
		if (v->work.why)
			return VERDICT_FAIL;
	}
	return VERDICT_PASS;
}

static enum verdict
enrich_fields(struct rule *r, struct view *v)
{
	if (!own(v))
		return VERDICT_FAIL;
	for (size_t i = 0; i < r->change_count; i++) {
		const struct change *c = &r->changes[i];
		json_t *value = template_fill(c->value, v->data, &v->work);

		if (!value)
			return VERDICT_FAIL;
		v->work.why = field_set(&c->field, v->data, value);
		if (v->work.why)
			return VERDICT_FAIL;
	}
	return VERDICT_PASS;
}

static enum verdict
redact_fields(struct rule *r, struct view *v)
{
	return own(v) && redact_run(&r->redact, &v->data, &v->work) >= 0
		       ? VERDICT_PASS
		       : VERDICT_FAIL;
}

static enum verdict
judge_limit(struct rule *r, struct view *v)
{
	json_t *key = r->key.count ? field_get(&r->key, v->data) : NULL;
	char *text =
		key ? json_dumps(key, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	bool allowed = limit_allows(
		r->limit, text ? text : "", text ? strlen(text) : 0, v->now_ms);

	free(text);
	return allowed ? VERDICT_PASS : VERDICT_STOP;
}

static enum verdict
apply(struct rule *r, struct view *v)
{
	switch (r->kind) {
	case RULE_RENAME:
		return rename_fields(r, v);
	case RULE_REDACT:
		return redact_fields(r, v);
	case RULE_ENRICH:
		return enrich_fields(r, v);
	case RULE_LIMIT:
		return judge_limit(r, v);
	default:
		return VERDICT_STOP;
	}
}

static enum verdict
step(struct rule *r, enum rule_event event, struct view *v)
{
	enum verdict verdict = VERDICT_FAIL;
	int holds = matches(r, event, v);

	if (!holds)
		return VERDICT_PASS;
	if (holds > 0) {
		r->matched++;
		verdict = apply(r, v);
	}
	r->stopped += verdict == VERDICT_STOP;
	r->failed += verdict == VERDICT_FAIL;
	return verdict;
}

struct outcome
rules_run(struct rules *all, enum rule_event event, json_t *data,
	uint64_t now_ms, uint64_t work_ms)
{
	struct view v = {.data = data,
		.now_ms = now_ms,
		.work = {.until_ms = work_clock_ms() + work_ms}};
	struct outcome out = {VERDICT_PASS, NULL, NULL, NULL};

	for (size_t i = 0; i < all->count && !out.verdict; i++) {
		out.rule = &all->items[i];
		out.verdict = step(&all->items[i], event, &v);
	}
	if (out.verdict == VERDICT_STOP)
		out.reason = out.rule->reason;
	else if (out.verdict == VERDICT_FAIL)
		out.reason = v.work.why;
	else
		out.rule = NULL;
	if (!out.verdict && v.is_copy && !json_equal(data, v.data)) {
		out.verdict = VERDICT_CHANGE;
		out.data = v.data;
	} else if (v.is_copy) {
		json_decref(v.data);
	}
	return out;
}

/* ---- what they have done ---- */

static json_t *
event_names(const struct rule *r)
{
	json_t *names = json_array();

	for (int i = 0; i < EVENT_COUNT; i++)
		if (r->events & 1U << i)
			json_array_append_new(
				names, json_string(rule_events[i]));
	return names;
}

json_t *
rules_report(const struct rules *all)
{
	json_t *list = json_array();

	for (size_t i = 0; i < all->count; i++) {
		const struct rule *r = &all->items[i];
		json_t *row = json_pack("{s:s,s:s,s:o,s:I,s:I,s:I}", "name",
			r->name, "does", rule_kinds[r->kind], "on",
			event_names(r), "matched", (json_int_t)r->matched,
			"stopped", (json_int_t)r->stopped, "failed",
			(json_int_t)r->failed);

		if (r->limit)
			json_object_set_new(row, "keys",
				json_integer((json_int_t)limit_keys(r->limit)));
		json_array_append_new(list, row);
	}
	return json_pack(
		"{s:I,s:o}", "rules", (json_int_t)all->count, "each", list);
}

char *
rules_table(const struct rules *all)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	fprintf(out, "%zu %s\n", all->count,
		all->count == 1 ? "rule" : "rules");
	for (size_t i = 0; i < all->count; i++) {
		const struct rule *r = &all->items[i];

		fprintf(out, "%s: %s, matched %" PRIu64, r->name,
			rule_kinds[r->kind], r->matched);
		if (r->stopped)
			fprintf(out, ", stopped %" PRIu64, r->stopped);
		if (r->failed)
			fprintf(out, ", failed %" PRIu64, r->failed);
		fputc('\n', out);
	}
	fclose(out);
	return text;
}
