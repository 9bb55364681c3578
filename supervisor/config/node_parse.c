/* node_parse: builds a tree from libyaml's events. Its documents would not do,
 * because only events show anchors and tags. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "proto/util/memory.h"
#include "supervisor/config/config.h"
#include "supervisor/config/node.h"

/* A map or list that is still being read. */
struct open_node {
	struct node *node;
	struct node *key; /* key of the next item, or NULL */
};

enum phase { BEFORE_DOCUMENT, IN_DOCUMENT, AFTER_DOCUMENT, AT_END };

struct node_reading {
	yaml_parser_t parser;
	const char *file;
	const char *text; /* without the byte order mark */
	size_t length;
	char *yaml; /* the converted text, if needed; or NULL */
	struct problems *problems;
	enum phase phase;
	struct node *root; /* once it is complete */
	struct open_node open[CONFIG_DEPTH_MAX];
	unsigned depth;
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
problem_at(struct node_reading *r, yaml_mark_t mark, const char *text)
{
	problems_add(r->problems, r->file, (uint32_t)mark.line + 1,
		(uint32_t)mark.column + 1, "%s", text);
}

/* The line and column of byte `offset`, counted in characters. */
static yaml_mark_t
mark_of_offset(const struct node_reading *r, size_t offset)
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
problem_of_parser(struct node_reading *r)
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
next_event(struct node_reading *r, yaml_event_t *event)
{
	if (yaml_parser_parse(&r->parser, event))
		return true;
	problem_of_parser(r);
	return false;
}

static void
refuse_decoration(struct node_reading *r, const yaml_event_t *event,
	const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		problem_at(r, event->start_mark, "anchors are not allowed");
	if (tag)
		problem_at(r, event->start_mark, "tags are not allowed");
}

static struct node *
read_scalar(struct node_reading *r, const yaml_event_t *event)
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

static void
add_entry(struct node_reading *r, struct node *map, struct node *key,
	struct node *item)
{
	struct node **twice = NULL;
	if (key->kind == NODE_SCALAR && memchr(key->text, '\0', key->length)) {
		node_problem(
			r->problems, key, "a key must not contain a NUL byte");
		key->kind = NODE_BROKEN;
	} else if (key->kind == NODE_SCALAR) {
		twice = node_find(map, key->text, key->length);
		if (twice)
			node_problem_of_double(r->problems, map, twice, key);
	} else if (key->kind != NODE_BROKEN) {
		node_problem(r->problems, key, "a key must be a string, not %s",
			node_kind_name(key));
	}
	if (key->kind == NODE_SCALAR && !twice) {
		node_append(map, key, item);
		return;
	}
	node_destroy(key);
	node_destroy(item);
}

/* Adds a complete node to the map or list around it. */
static void
complete(struct node_reading *r, struct node *node)
{
	struct open_node *around = r->depth ? &r->open[r->depth - 1] : NULL;

	if (!around) {
		r->root = node;
		r->phase = AFTER_DOCUMENT;
	} else if (around->node->kind == NODE_LIST) {
		node_append(around->node, NULL, node);
	} else if (!around->key) {
		around->key = node;
	} else {
		add_entry(r, around->node, around->key, node);
		around->key = NULL;
	}
}

static void
open_node(struct node_reading *r, const yaml_event_t *event)
{
	bool is_list = event->type == YAML_SEQUENCE_START_EVENT;

	if (r->depth == CONFIG_DEPTH_MAX) {
		problems_add(r->problems, r->file,
			(uint32_t)event->start_mark.line + 1,
			(uint32_t)event->start_mark.column + 1,
			"nested deeper than %d levels", CONFIG_DEPTH_MAX);
		r->phase = AT_END;
		return;
	}
	if (is_list)
		refuse_decoration(r, event, event->data.sequence_start.anchor,
			event->data.sequence_start.tag);
	else
		refuse_decoration(r, event, event->data.mapping_start.anchor,
			event->data.mapping_start.tag);
	r->open[r->depth++] = (struct open_node){
		.node = node_create(r->file, is_list ? NODE_LIST : NODE_MAP,
			event->start_mark)};
}

static void
take_inside(struct node_reading *r, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		complete(r, read_scalar(r, event));
		break;
	case YAML_ALIAS_EVENT:
		problem_at(r, event->start_mark, "aliases are not allowed");
		complete(r,
			node_create(r->file, NODE_BROKEN, event->start_mark));
		break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		open_node(r, event);
		break;
	default: /* the end of a map or list */
		r->depth--;
		complete(r, r->open[r->depth].node);
	}
}

static void
take(struct node_reading *r, const yaml_event_t *event)
{
	bool begins = event->type == YAML_DOCUMENT_START_EVENT;
	bool ends = event->type == YAML_STREAM_END_EVENT;

	if (r->phase == IN_DOCUMENT) {
		take_inside(r, event);
	} else if (r->phase == AFTER_DOCUMENT) {
		if (begins)
			problem_at(r, event->start_mark,
				"only one document is allowed in a file");
		if (begins || ends)
			r->phase = AT_END;
	} else if (begins) {
		r->phase = IN_DOCUMENT;
	} else if (ends) {
		r->root = node_create(r->file, NODE_MAP, (yaml_mark_t){0});
		r->phase = AT_END;
	}
}

/* Returns the root if it is a map, or NULL with a problem. */
static struct node *
require_map(struct node_reading *r, struct node *root)
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

struct node_reading *
node_reading_create(const char *file, const char *text, size_t length,
	struct problems *problems)
{
	struct node_reading *r = memory_alloc(sizeof(*r));

	r->file = file;
	r->problems = problems;
	if (length > CONFIG_FILE_BYTES_MAX) {
		problems_add(problems, file, 0, 0, "larger than %u MiB",
			CONFIG_FILE_BYTES_MAX >> 20);
		r->phase = AT_END;
		length = 0;
	}
	if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		length -= 3;
	}
	r->yaml = node_json_as_yaml(text, length, &length);
	r->text = r->yaml ? r->yaml : text;
	r->length = length;
	if (!yaml_parser_initialize(&r->parser))
		abort();
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&r->parser, (const unsigned char *)r->text, length);
	return r;
}

bool
node_reading_step(struct node_reading *r, uint32_t most)
{
	while (most-- && r->phase != AT_END) {
		yaml_event_t event;

		if (!next_event(r, &event)) {
			r->phase = AT_END;
			break;
		}
		take(r, &event);
		yaml_event_delete(&event);
	}
	return r->phase == AT_END;
}

struct node *
node_reading_finish(struct node_reading *r)
{
	struct node *root = require_map(r, r->root);

	while (r->depth--) {
		node_destroy(r->open[r->depth].node);
		node_destroy(r->open[r->depth].key);
	}
	yaml_parser_delete(&r->parser);
	free(r->yaml);
	free(r);
	return root;
}

struct node *
node_parse(const char *file, const char *text, size_t length,
	struct problems *problems)
{
	struct node_reading *r =
		node_reading_create(file, text, length, problems);

	while (!node_reading_step(r, UINT32_MAX))
		;
	return node_reading_finish(r);
}
