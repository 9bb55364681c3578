#include "condition.h"

#include <string.h>

void
condition_finish(struct condition *c)
{
	json_decref(c->values);
	pattern_destroy(c->pattern);
}

/* ---- reading ---- */

static int
read_equals(struct condition *c, const struct node *n, char why[WHY_BYTES])
{
	c->kind = CONDITION_EQUALS;
	if (n->kind == NODE_MAP)
		return node_fail(n, why, "must be a value or a list of them");
	c->values = node_json(n);
	if (n->kind == NODE_SCALAR) {
		json_t *list = json_array();

		json_array_append_new(list, c->values);
		c->values = list;
	} else if (!n->count) {
		return node_fail(n, why, "must not be an empty list");
	}
	return 0;
}

static int
read_prefix(struct condition *c, const struct node *n, char why[WHY_BYTES])
{
	c->kind = CONDITION_PREFIX;
	if (!node_text(n))
		return node_fail(n, why, "must be a string");
	c->values = node_json(n);
	return 0;
}

static int
read_regex(struct condition *c, const struct node *n, char why[WHY_BYTES])
{
	const char *text = node_text(n);
	char reason[200];

	c->kind = CONDITION_REGEX;
	if (!text)
		return node_fail(n, why, "must be a string");
	c->pattern =
		pattern_compile(text, strlen(text), reason, sizeof(reason));
	return c->pattern ? 0 : node_fail(n, why, "%s", reason);
}

static int
read_exists(struct condition *c, const struct node *n, char why[WHY_BYTES])
{
	c->kind = CONDITION_EXISTS;
	if (n->kind != NODE_SCALAR || !json_is_boolean(n->value))
		return node_fail(n, why, "must be true or false");
	if (json_is_false(n->value))
		c->negated = !c->negated;
	return 0;
}

static int
read_test(struct condition *c, const struct node *n, char why[WHY_BYTES])
{
	static const struct {
		const char *key;
		int (*read)(struct condition *c, const struct node *n,
			char why[WHY_BYTES]);
	} tests[] = {{"equals", read_equals}, {"prefix", read_prefix},
		{"regex", read_regex}, {"exists", read_exists}};

	if (n->kind != NODE_MAP)
		return read_equals(c, n, why);
	if (n->count != 1)
		return node_fail(n, why,
			"must be one of equals, prefix, regex, exists, not");
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (!strcmp(n->keys[0], tests[i].key))
			return tests[i].read(c, n->items[0], why);
	return node_fail(n->items[0], why,
		"'%.60s' is not one of equals, prefix, regex, exists, not",
		n->keys[0]);
}

int
condition_read(struct condition *c, const char *path, const struct node *test,
	char why[WHY_BYTES])
{
	const char *defect = field_read(&c->field, path, strlen(path));

	if (defect)
		return node_fail(test, why, "%s", defect);
	if (test->kind == NODE_MAP && test->count == 1 &&
		!strcmp(test->keys[0], "not")) {
		c->negated = true;
		test = test->items[0];
	}
	return read_test(c, test, why);
}

/* ---- looking ---- */

static bool
is_equal(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b) &&
		json_typeof(a) != json_typeof(b))
		return json_number_value(a) == json_number_value(b);
	return json_equal(a, b);
}

static bool
is_one_of(const json_t *list, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (is_equal(json_array_get(list, i), value))
			return true;
	return false;
}

static bool
begins_with(const json_t *value, const json_t *prefix)
{
	size_t bytes = json_string_length(prefix);

	return json_is_string(value) && json_string_length(value) >= bytes &&
	       !memcmp(json_string_value(value), json_string_value(prefix),
		       bytes);
}

struct look {
	struct condition *condition;
	struct work *work;
};

static int
holds_for(json_t *value, json_t **replaced_out, void *user)
{
	struct look *look = user;
	struct condition *c = look->condition;
	struct span span;

	(void)replaced_out;
	switch (c->kind) {
	case CONDITION_EQUALS:
		return is_one_of(c->values, value);
	case CONDITION_PREFIX:
		return begins_with(value, c->values);
	case CONDITION_REGEX:
		return json_is_string(value)
			       ? pattern_find(c->pattern,
					 json_string_value(value),
					 json_string_length(value), 0, &span,
					 look->work)
			       : 0;
	case CONDITION_EXISTS:
		break;
	}
	return 1;
}

int
condition_holds(struct condition *c, json_t *data, struct work *work)
{
	struct look look = {c, work};
	int result;

	if (work_is_late(work))
		return -1;
	result = field_each(&c->field, &data, holds_for, &look);
	return result < 0 ? -1 : (result != 0) != c->negated;
}
