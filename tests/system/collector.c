#include "tests/system/collector.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/plan.h"

void
collector_restart(struct collector *c)
{
	char port[16];
	const char *const program[] = {COLLECTOR, "--port", port, NULL};

	snprintf(port, sizeof(port), "%d", c->at.port);
	double_start(&c->at, program);
}

void
collector_start(struct collector *c)
{
	c->at.port = 0; /* any */
	collector_restart(c);
}

void
collector_end(struct collector *c)
{
	double_end(&c->at);
}

void
collector_set(struct collector *c, const char *format, ...)
{
	char text[1024], *body;
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	body = memory_format("{%s}", text);
	double_post(&c->at, "set", body);
	free(body);
}

void
collector_forget(struct collector *c)
{
	double_post(&c->at, "forget", "{}");
}

json_t *
collector_get(struct collector *c, const char *what)
{
	return double_get(&c->at, what);
}

void
collector_check(struct collector *c)
{
	json_t *state = collector_get(c, "state");
	char *text = json_dumps(state, 0);

	cr_expect_eq(json_integer_value(json_object_get(state, "wrongs")), 0,
		"%s", text);
	free(text);
	json_decref(state);
}

long
collector_count(struct collector *c, const char *key)
{
	json_t *state = collector_get(c, "state");
	long count = (long)json_integer_value(json_object_get(state, key));

	json_decref(state);
	return count;
}

void
collector_await(struct collector *c, const char *key, long least)
{
	struct patience p = patience_for(RUN_DEADLINE_MS);

	while (collector_count(c, key) < least)
		cr_assert(patience_lasts(&p), "%s is %ld, not %ld: %s", key,
			collector_count(c, key), least,
			json_dumps(collector_get(c, "state"), 0));
}

/* ---- spans ---- */

const char *
span_text(const json_t *span, const char *key)
{
	const char *text = json_string_value(json_object_get(span, key));

	return text ? text : "";
}

const char *
span_attribute(const json_t *span, const char *key)
{
	return span_text(json_object_get(span, "attributes"), key);
}

long
span_number(const json_t *span, const char *key)
{
	return (long)json_integer_value(
		json_object_get(json_object_get(span, "attributes"), key));
}

static json_t *
find(struct collector *c, const json_t *parent, const char *name)
{
	json_t *spans = collector_get(c, "spans"), *span, *found = NULL;
	size_t i;

	json_array_foreach(spans, i, span)
	{
		if (name && strcmp(span_text(span, "name"), name) != 0)
			continue;
		if (parent && (strcmp(span_text(span, "parent"),
				       span_text(parent, "span")) != 0 ||
				      strcmp(span_text(span, "trace"),
					      span_text(parent, "trace")) != 0))
			continue;
		found = span;
	}
	json_incref(found);
	json_decref(spans);
	return found;
}

static json_t *
await(struct collector *c, const json_t *parent, const char *name)
{
	struct patience p = patience_for(RUN_DEADLINE_MS);
	json_t *span;

	while (!(span = find(c, parent, name)))
		cr_assert(patience_lasts(&p), "no span %s within %s among %s",
			name ? name : "(any)",
			parent ? span_text(parent, "name") : "any",
			json_dumps(collector_get(c, "spans"), JSON_INDENT(1)));
	return span;
}

json_t *
collector_span(struct collector *c, const char *name)
{
	return await(c, NULL, name);
}

json_t *
collector_child(struct collector *c, const json_t *parent, const char *name)
{
	return await(c, parent, name);
}

long
telemetry_count(struct gateway_run *g, const char *name, const char *signal,
	const char *reason)
{
	struct ctl *c = ctl_expect(g, 0, "metrics", NULL);
	json_t *family, *sample, *labels;
	long sum = 0;
	size_t i, j;

	json_array_foreach(ctl_at(c, "metrics"), i, family)
	{
		if (strcmp(span_text(family, "name"), name) != 0)
			continue;
		json_array_foreach(
			json_object_get(family, "samples"), j, sample)
		{
			labels = json_object_get(sample, "labels");
			if ((!*signal || !strcmp(span_text(labels, "signal"),
						 signal)) &&
				(!*reason ||
					!strcmp(span_text(labels, "reason"),
						reason)))
				sum += (long)json_number_value(
					json_object_get(sample, "value"));
		}
	}
	ctl_destroy(c);
	return sum;
}

void
telemetry_await(struct gateway_run *g, const char *name, const char *signal,
	const char *reason, long least)
{
	struct patience p = patience_for(RUN_DEADLINE_MS);

	while (telemetry_count(g, name, signal, reason) < least)
		cr_assert(patience_lasts(&p), "%s is %ld, not %ld", name,
			telemetry_count(g, name, signal, reason), least);
}

void
collector_configure(
	struct gateway_run *g, const struct collector *c, const char *more)
{
	char *text = memory_format("telemetry: {endpoint: \"http://%s\"%s%s}\n",
		c->at.where, *more ? ", " : "", more);

	plan_extra(g, text);
	free(text);
}
