/* node_parse: libyaml's events to a tree. The events, not libyaml's documents,
 * because only they tell anchors and tags apart. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "proto/util/memory.h"
#include "supervisor/config/config.h"
#include "supervisor/config/node.h"

struct reading {
	yaml_parser_t parser;
	const char *file;
	const char *text; /* without the byte order mark */
	size_t length;
	struct problems *problems;
	int depth;
};

static struct node *
node_create(const char *file, enum node_kind kind, yaml_mark_t mark)
{
	struct node *node = memory_alloc(sizeof(*node));
	node->kind = kind;
	node->file = file;
	node->line = (uint32_t)mark.line + 1;
	node->column = (uint32_t)mark.column + 1;
	return node;
}

static void
problem_at(struct reading *r, yaml_mark_t mark, const char *text)
{
	problems_add(r->problems, r->file, (uint32_t)mark.line + 1,
		(uint32_t)mark.column + 1, "%s", text);
}

/* Where byte `offset` of the text stands, counted in characters. */
static yaml_mark_t
mark_of_offset(const struct reading *r, size_t offset)
{
	yaml_mark_t mark = {.index = offset};
	for (size_t i = 0; i < offset && i < r->length; i++) {
		if (r->text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)r->text[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

static void
problem_of_parser(struct reading *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *what = p->problem ? p->problem : "unreadable";
	if (p->error == YAML_READER_ERROR) {
		yaml_mark_t mark = mark_of_offset(r, p->problem_offset);
		problems_add(r->problems, r->file, (uint32_t)mark.line + 1,
			(uint32_t)mark.column + 1, "not YAML: %s", what);
		return;
	}
	if (p->error == YAML_MEMORY_ERROR)
		abort();
	problems_add(r->problems, r->file, (uint32_t)p->problem_mark.line + 1,
		(uint32_t)p->problem_mark.column + 1, "not YAML: %s%s%s", what,
		p->context ? " " : "", p->context ? p->context : "");
}

static bool
next_event(struct reading *r, yaml_event_t *event)
{
	if (yaml_parser_parse(&r->parser, event))
		return true;
	problem_of_parser(r);
	return false;
}

static void
refuse_decoration(struct reading *r, const yaml_event_t *event,
	const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		problem_at(r, event->start_mark, "anchors are not allowed");
	if (tag)
		problem_at(r, event->start_mark, "tags are not allowed");
}

static struct node *read_node(struct reading *r, yaml_event_t *event);

static struct node *
read_scalar(struct reading *r, const yaml_event_t *event)
{
	struct node *node =
		node_create(r->file, NODE_SCALAR, event->start_mark);
	refuse_decoration(
		r, event, event->data.scalar.anchor, event->data.scalar.tag);
	node->text = memory_copy_bytes(
		event->data.scalar.value, event->data.scalar.length);
	node->length = event->data.scalar.length;
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return node;
}

static struct node *
read_list(struct reading *r, const yaml_event_t *start)
{
	struct node *list = node_create(r->file, NODE_LIST, start->start_mark);
	refuse_decoration(r, start, start->data.sequence_start.anchor,
		start->data.sequence_start.tag);
	for (;;) {
		yaml_event_t event;
		if (!next_event(r, &event))
			break;
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&event);
			return list;
		}
		struct node *item = read_node(r, &event);
		if (!item)
			break;
		node_append(list, NULL, item);
	}
	node_destroy(list);
	return NULL;
}

static void
add_entry(struct reading *r, struct node *map, struct node *key,
	struct node *item)
{
	struct node **twice = NULL;
	if (key->kind == NODE_SCALAR) {
		twice = node_find(map, key->text, key->length);
		if (twice)
			node_problem_of_double(r->problems, map, twice, key);
	} else if (key->kind != NODE_BROKEN) {
		node_problem(r->problems, key, "a key must be text, not %s",
			node_kind_name(key));
	}
	if (key->kind == NODE_SCALAR && !twice) {
		node_append(map, key, item);
		return;
	}
	node_destroy(key);
	node_destroy(item);
}

static struct node *
read_map(struct reading *r, const yaml_event_t *start)
{
	struct node *map = node_create(r->file, NODE_MAP, start->start_mark);
	refuse_decoration(r, start, start->data.mapping_start.anchor,
		start->data.mapping_start.tag);
	for (;;) {
		yaml_event_t event;
		if (!next_event(r, &event))
			break;
		if (event.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&event);
			return map;
		}
		struct node *key = read_node(r, &event);
		if (!key)
			break;
		if (!next_event(r, &event)) {
			node_destroy(key);
			break;
		}
		struct node *item = read_node(r, &event);
		if (!item) {
			node_destroy(key);
			break;
		}
		add_entry(r, map, key, item);
	}
	node_destroy(map);
	return NULL;
}

/* Takes the event. NULL ends the reading; the problem is told. */
static struct node *
read_node(struct reading *r, yaml_event_t *event)
{
	struct node *node = NULL;
	if (event->type == YAML_SCALAR_EVENT) {
		node = read_scalar(r, event);
	} else if (event->type == YAML_ALIAS_EVENT) {
		problem_at(r, event->start_mark, "aliases are not allowed");
		node = node_create(r->file, NODE_BROKEN, event->start_mark);
	} else if (r->depth == CONFIG_DEPTH_MAX) {
		problems_add(r->problems, r->file,
			(uint32_t)event->start_mark.line + 1,
			(uint32_t)event->start_mark.column + 1,
			"nested deeper than %d levels", CONFIG_DEPTH_MAX);
	} else {
		r->depth++;
		node = event->type == YAML_SEQUENCE_START_EVENT
			       ? read_list(r, event)
			       : read_map(r, event);
		r->depth--;
	}
	yaml_event_delete(event);
	return node;
}

/* After the first document: only the end may come. */
static void
refuse_second_document(struct reading *r)
{
	for (;;) {
		yaml_event_t event;
		if (!next_event(r, &event))
			return;
		yaml_event_type_t type = event.type;
		if (type == YAML_DOCUMENT_START_EVENT)
			problem_at(r, event.start_mark,
				"only one document is allowed in a file");
		yaml_event_delete(&event);
		if (type == YAML_DOCUMENT_START_EVENT ||
			type == YAML_STREAM_END_EVENT)
			return;
	}
}

static struct node *
read_document(struct reading *r)
{
	yaml_event_t event;
	for (;;) {
		if (!next_event(r, &event))
			return NULL;
		if (event.type == YAML_STREAM_END_EVENT) {
			yaml_event_delete(&event);
			return node_create(r->file, NODE_MAP, (yaml_mark_t){0});
		}
		bool begins = event.type == YAML_DOCUMENT_START_EVENT;
		yaml_event_delete(&event);
		if (begins)
			break;
	}
	if (!next_event(r, &event))
		return NULL;
	struct node *root = read_node(r, &event);
	if (root)
		refuse_second_document(r);
	return root;
}

/* The root as a map, or NULL with the problem. */
static struct node *
require_map(struct reading *r, struct node *root)
{
	if (!root || root->kind == NODE_MAP)
		return root;
	if (node_is_null(root)) {
		root->kind = NODE_MAP;
		free(root->text);
		root->text = NULL;
		root->length = 0;
		return root;
	}
	if (root->kind != NODE_BROKEN)
		node_problem(r->problems, root,
			"expected a map of keys, not %s", node_kind_name(root));
	node_destroy(root);
	return NULL;
}

struct node *
node_parse(const char *file, const char *text, size_t length,
	struct problems *problems)
{
	if (length > CONFIG_FILE_BYTES_MAX) {
		problems_add(problems, file, 0, 0, "larger than %u MiB",
			CONFIG_FILE_BYTES_MAX >> 20);
		return NULL;
	}
	if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		length -= 3;
	}
	char *yaml = node_json_as_yaml(text, length, &length);
	if (yaml)
		text = yaml;
	struct reading r = {.file = file,
		.text = text,
		.length = length,
		.problems = problems};
	if (!yaml_parser_initialize(&r.parser))
		abort();
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&r.parser, (const unsigned char *)text, length);
	struct node *root = require_map(&r, read_document(&r));
	yaml_parser_delete(&r.parser);
	free(yaml);
	return root;
}
