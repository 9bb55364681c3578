/* node_yaml: builds a tree from libyaml's events. Its documents would not do,
 * because only events show anchors and tags. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "node.h"

struct reading {
	yaml_parser_t parser;
	const char *name;
	char *why;
	struct node *open[NODE_DEPTH_MAX]; /* maps and lists not yet ended */
	char *key[NODE_DEPTH_MAX];	   /* of the next item of each map */
	unsigned depth;
	struct node *root; /* once it is complete */
};

static int
fail_at(struct reading *r, yaml_mark_t mark, const char *problem)
{
	snprintf(r->why, WHY_BYTES, "%.300s:%zu:%zu: %s", r->name,
		mark.line + 1, mark.column + 1, problem);
	return -1;
}

static char *
where_of(const struct reading *r, yaml_mark_t mark)
{
	char *where;

	return asprintf(&where, "%s:%zu:%zu", r->name, mark.line + 1,
		       mark.column + 1) < 0
		       ? NULL
		       : where;
}

/* ---- scalars, by the core schema of YAML 1.2 ---- */

static json_t *
number_of(const char *text)
{
	const char *digits = text + (*text == '-' || *text == '+');
	char *end;
	long long integer;
	double real;

	if (!strchr("0123456789.", *digits) || !*digits)
		return NULL;
	errno = 0;
	integer = strtoll(text, &end, 10);
	if (!*end && !errno)
		return json_integer(integer);
	if (strspn(digits, "0123456789.eE+-") != strlen(digits))
		return NULL;
	real = strtod(text, &end);
	return *end || end == text ? NULL : json_real(real);
}

static json_t *
plain_value(const char *text)
{
	static const char *const nothing[] = {"", "~", "null", "Null", "NULL"};
	json_t *number = number_of(text);

	if (number)
		return number;
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		if (!strcmp(text, nothing[i]))
			return json_null();
	if (!strcmp(text, "true") || !strcmp(text, "True"))
		return json_true();
	if (!strcmp(text, "false") || !strcmp(text, "False"))
		return json_false();
	return json_string(text);
}

static json_t *
scalar_value(const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t length = event->data.scalar.length;

	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE
		       ? plain_value(text)
		       : json_stringn(text, length);
}

/* ---- the tree ---- */

/* Takes the node. */
static int
add(struct reading *r, const yaml_event_t *event, struct node *n)
{
	struct node *around = r->depth ? r->open[r->depth - 1] : NULL;
	char **key = r->depth ? &r->key[r->depth - 1] : NULL;
	int result;

	if (!n)
		return fail_at(r, event->start_mark, "no memory");
	if (!around) {
		r->root = n;
		return 0;
	}
	result = node_add(around, *key, n);
	free(*key);
	*key = NULL;
	return result ? fail_at(r, event->start_mark, "no memory") : 0;
}

static int
take_key(struct reading *r, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	if (strlen(text) != event->data.scalar.length)
		return fail_at(r, event->start_mark, "a key contains NUL");
	if (node_get(r->open[r->depth - 1], text))
		return fail_at(r, event->start_mark, "this key is there twice");
	r->key[r->depth - 1] = strdup(text);
	return r->key[r->depth - 1]
		       ? 0
		       : fail_at(r, event->start_mark, "no memory");
}

static bool
wants_key(const struct reading *r)
{
	return r->depth && r->open[r->depth - 1]->kind == NODE_MAP &&
	       !r->key[r->depth - 1];
}

static int
take_scalar(struct reading *r, const yaml_event_t *event)
{
	if (event->data.scalar.anchor || event->data.scalar.tag)
		return fail_at(r, event->start_mark,
			"anchors and tags are not allowed");
	if (wants_key(r))
		return take_key(r, event);
	return add(r, event,
		node_create(NODE_SCALAR, where_of(r, event->start_mark),
			scalar_value(event)));
}

static int
take_start(struct reading *r, const yaml_event_t *event)
{
	bool is_map = event->type == YAML_MAPPING_START_EVENT;
	struct node *n;

	if (is_map ? event->data.mapping_start.anchor ||
				event->data.mapping_start.tag
		   : event->data.sequence_start.anchor ||
				event->data.sequence_start.tag)
		return fail_at(r, event->start_mark,
			"anchors and tags are not allowed");
	if (wants_key(r))
		return fail_at(r, event->start_mark, "a key must be a string");
	if (r->depth == NODE_DEPTH_MAX)
		return fail_at(r, event->start_mark, "nested too deep");
	n = node_create(is_map ? NODE_MAP : NODE_LIST,
		where_of(r, event->start_mark), NULL);
	if (!n)
		return fail_at(r, event->start_mark, "no memory");
	r->open[r->depth] = n;
	r->key[r->depth++] = NULL;
	return 0;
}

static int
take(struct reading *r, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return r->root ? fail_at(r, event->start_mark,
					 "there is more than one document")
			       : 0;
	case YAML_SCALAR_EVENT:
		return take_scalar(r, event);
	case YAML_ALIAS_EVENT:
		return fail_at(r, event->start_mark, "aliases are not allowed");
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return take_start(r, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		return add(r, event, r->open[r->depth]);
	default:
		return 0;
	}
}

static int
fail_to_parse(struct reading *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "it is unreadable";
	yaml_mark_t mark = p->problem_mark;
	char text[160];

	snprintf(text, sizeof(text), "not YAML: %.140s", problem);
	if (p->error == YAML_READER_ERROR)
		mark = p->mark;
	return fail_at(r, mark, text);
}

static int
read_all(struct reading *r)
{
	yaml_event_t event;
	bool ended = false;
	int result = 0;

	while (!ended && !result) {
		if (!yaml_parser_parse(&r->parser, &event))
			return fail_to_parse(r);
		ended = event.type == YAML_STREAM_END_EVENT;
		result = take(r, &event);
		yaml_event_delete(&event);
	}
	return result;
}

struct node *
node_from_yaml(
	const char *name, const char *text, size_t bytes, char why[WHY_BYTES])
{
	struct reading r = {.name = name, .why = why};
	int result;

	if (!yaml_parser_initialize(&r.parser)) {
		snprintf(why, WHY_BYTES, "%s: no memory", name);
		return NULL;
	}
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&r.parser, (const unsigned char *)text, bytes);
	result = read_all(&r);
	yaml_parser_delete(&r.parser);
	while (r.depth) {
		node_destroy(r.open[--r.depth]);
		free(r.key[r.depth]);
	}
	if (!result && !r.root)
		snprintf(why, WHY_BYTES, "%s:1:1: it is empty", name);
	if (result) {
		node_destroy(r.root);
		r.root = NULL;
	}
	return r.root;
}

struct node *
node_from_file(const char *path, char why[WHY_BYTES])
{
	FILE *file = fopen(path, "re");
	char *text = malloc(NODE_FILE_BYTES_MAX + 1);
	struct node *n = NULL;
	size_t bytes = 0;

	if (file && text)
		bytes = fread(text, 1, NODE_FILE_BYTES_MAX + 1, file);
	if (!file || !text || ferror(file))
		snprintf(why, WHY_BYTES, "%.300s: %s", path, strerror(errno));
	else if (bytes > NODE_FILE_BYTES_MAX)
		snprintf(why, WHY_BYTES, "%.300s: larger than %zu bytes", path,
			NODE_FILE_BYTES_MAX);
	else
		n = node_from_yaml(path, text, bytes, why);
	free(text);
	if (file)
		fclose(file);
	return n;
}
