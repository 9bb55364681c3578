/* node: libyaml's events to a tree. The events, not libyaml's documents,
 * because only they tell anchors and tags apart. */
#include "supervisor/config/node.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "proto/util/memory.h"
#include "supervisor/config/config.h"

#define INDEX_FROM 16 /* keys; below that a walk is as quick */

struct reading {
	yaml_parser_t parser;
	const char *file;
	const char *text; /* without the byte order mark */
	size_t length;
	struct problems *problems;
	int depth;
};

/* ---- the tree ---- */

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

void
node_destroy(struct node *node)
{
	if (!node)
		return;
	for (uint32_t i = 0; i < node->count; i++) {
		if (node->keys)
			node_destroy(node->keys[i]);
		node_destroy(node->items[i]);
	}
	map_finish(&node->index);
	free(node->keys);
	free(node->items);
	free(node->text);
	free(node);
}

static struct node **
node_find(const struct node *map, const char *key, size_t length)
{
	if (map->count > INDEX_FROM)
		return map_get(&map->index, key, length);
	for (uint32_t i = 0; i < map->count; i++)
		if (map->keys[i]->length == length &&
			!memcmp(map->keys[i]->text, key, length))
			return &map->items[i];
	return NULL;
}

/* The index has places in items[], which move when it grows. */
static void
node_index(struct node *map)
{
	map_finish(&map->index);
	map_init(&map->index);
	for (uint32_t i = 0; i < map->count; i++)
		map_set(&map->index, map->keys[i]->text, map->keys[i]->length,
			&map->items[i]);
}

static void
node_append(struct node *to, struct node *key, struct node *item)
{
	bool moved = to->count == to->capacity;
	if (moved) {
		to->capacity = to->capacity ? to->capacity * 2 : 8;
		to->items = memory_resize(
			to->items, to->capacity * sizeof(*to->items));
		if (key)
			to->keys = memory_resize(
				to->keys, to->capacity * sizeof(*to->keys));
	}
	to->items[to->count] = item;
	if (key)
		to->keys[to->count] = key;
	to->count++;
	if (!key || to->count <= INDEX_FROM)
		return;
	if (moved || to->count == INDEX_FROM + 1)
		node_index(to);
	else
		map_set(&to->index, key->text, key->length,
			&to->items[to->count - 1]);
}

struct node *
node_get(const struct node *map, const char *key)
{
	struct node **found = node_find(map, key, strlen(key));
	return found ? *found : NULL;
}

bool
node_is_empty(const struct node *node)
{
	return node->kind == NODE_SCALAR && !node->quoted && !node->length;
}

bool
node_is_null(const struct node *node)
{
	return node_is_empty(node) ||
	       (node->kind == NODE_SCALAR && !node->quoted &&
		       (!strcmp(node->text, "~") ||
			       !strcmp(node->text, "null") ||
			       !strcmp(node->text, "Null") ||
			       !strcmp(node->text, "NULL")));
}

const char *
node_kind_name(const struct node *node)
{
	switch (node->kind) {
	case NODE_SCALAR:
		return node_is_null(node) ? "nothing" : "a single value";
	case NODE_LIST:
		return "a list";
	case NODE_MAP:
		return "a map";
	case NODE_BROKEN:
		break;
	}
	return "something broken";
}

/* ---- reading ---- */

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
	problems_add(r->problems, r->file,
		(uint32_t)p->problem_mark.line + 1,
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
	refuse_decoration(r, event, event->data.scalar.anchor,
		event->data.scalar.tag);
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

/* `there` is the place of the first one in map->items. */
static void
problem_of_double(struct problems *problems, const struct node *map,
	struct node *const *there, const struct node *key)
{
	const struct node *first = map->keys[there - map->items];
	node_problem(problems, key, "'%s' is set already in %s:%u:%u",
		key->text, first->file, first->line, first->column);
}

static void
add_entry(struct reading *r, struct node *map, struct node *key,
	struct node *item)
{
	struct node **twice = NULL;
	if (key->kind == NODE_SCALAR) {
		twice = node_find(map, key->text, key->length);
		if (twice)
			problem_of_double(r->problems, map, twice, key);
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
			return node_create(
				r->file, NODE_MAP, (yaml_mark_t){0});
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
	return root;
}

/* ---- merging ---- */

static void
merge_entry(struct node *into, struct node *key, struct node *item,
	const char *entries, bool deeper, struct problems *problems)
{
	struct node **there = node_find(into, key->text, key->length);
	if (!there) {
		node_append(into, key, item);
		return;
	}
	if (deeper && (*there)->kind == NODE_MAP && item->kind == NODE_MAP) {
		bool further = !entries || strcmp(key->text, entries) != 0;
		for (uint32_t i = 0; i < item->count; i++)
			merge_entry(*there, item->keys[i], item->items[i],
				NULL, further, problems);
		item->count = 0;
	} else {
		problem_of_double(problems, into, there, key);
	}
	node_destroy(key);
	node_destroy(item);
}

void
node_merge(struct node *into, struct node *from, const char *entries,
	struct problems *problems)
{
	for (uint32_t i = 0; i < from->count; i++)
		merge_entry(into, from->keys[i], from->items[i], entries, true,
			problems);
	from->count = 0;
	node_destroy(from);
}
