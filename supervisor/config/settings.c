/* settings: turns scalars into JSON values, replaces references, and merges
 * objects. */
#include "supervisor/config/settings.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/config/interpolate.h"
#include "supervisor/config/manifest.h"
#include "supervisor/config/secret.h"

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool
is_number(const char *c, bool *is_real_out)
{
	static const char digits[] = "0123456789";
	*is_real_out = false;
	if (*c == '-')
		c++;
	size_t length = strspn(c, digits);
	if (!length || (*c == '0' && length > 1))
		return false;
	c += length;
	if (*c == '.') {
		*is_real_out = true;
		length = strspn(++c, digits);
		if (!length)
			return false;
		c += length;
	}
	if (*c == 'e' || *c == 'E') {
		*is_real_out = true;
		c++;
		if (*c == '+' || *c == '-')
			c++;
		length = strspn(c, digits);
		if (!length)
			return false;
		c += length;
	}
	return !*c;
}

static json_t *
read_number(struct problems *problems, const char *name,
	const struct node *node, bool is_real)
{
	errno = 0;
	if (is_real) {
		double real = strtod(node->text, NULL);
		if (isfinite(real))
			return json_real(real);
	} else {
		long long whole = strtoll(node->text, NULL, 10);
		if (!errno)
			return json_integer(whole);
	}
	node_problem(problems, node,
		"'%s': the number is too large; quote it to make it text",
		name);
	return json_null();
}

/* One value in two forms: for the worker, and as it may be shown. shown is NULL
 * in a package's settings. */
struct value {
	json_t *real, *shown;
};

struct reading {
	struct problems *problems;
	bool is_package; /* a package's settings: references are refused */
};

/* The value of a scalar without references. */
static struct value
show(const struct reading *r, json_t *real, bool is_secret)
{
	struct value value = {.real = real};
	if (r->is_package)
		return value;
	bool is_text = json_is_string(real);
	if (is_text && secret_is_text(json_string_value(real),
			       json_string_length(real)))
		is_secret = true;
	if (is_text && !json_string_length(real))
		is_secret = false; /* an empty value is not masked */
	if (is_secret && (is_text || json_is_number(real)))
		value.shown = json_string(SECRET_MASK);
	else
		value.shown = json_incref(real);
	return value;
}

static json_t *
text_of_buffer(const struct buffer *b)
{
	json_t *text =
		json_stringn((const char *)buffer_bytes(b), buffer_length(b));
	return text ? text : json_string("");
}

static struct value
read_interpolated(const struct reading *r, const char *name,
	const struct node *node, bool is_secret)
{
	struct interpolated i;
	struct value value;
	if (interpolate(r->problems, name, node, &i) < 0) {
		value = (struct value){json_null(), json_null()};
	} else {
		value.real = text_of_buffer(&i.text);
		value.shown = text_of_buffer(&i.shown);
		if ((is_secret && !i.is_reference) ||
			secret_is_text(json_string_value(value.shown),
				json_string_length(value.shown)))
			json_string_set(value.shown, SECRET_MASK);
	}
	interpolated_finish(&i);
	return value;
}

/* A plain scalar that is not a string; NULL: it is one. */
static json_t *
read_typed(struct problems *problems, const char *name, const struct node *node)
{
	bool is_real;
	if (node_is_null(node))
		return json_null();
	if (node->quoted || strlen(node->text) != node->length)
		return NULL;
	if (!strcmp(node->text, "true") || !strcmp(node->text, "True") ||
		!strcmp(node->text, "TRUE"))
		return json_true();
	if (!strcmp(node->text, "false") || !strcmp(node->text, "False") ||
		!strcmp(node->text, "FALSE"))
		return json_false();
	return is_number(node->text, &is_real)
		       ? read_number(problems, name, node, is_real)
		       : NULL;
}

static struct value
read_scalar(const struct reading *r, const char *name, const struct node *node,
	bool is_secret)
{
	json_t *typed = read_typed(r->problems, name, node);
	if (typed)
		return show(r, typed, is_secret);
	if (r->is_package)
		interpolate_refuse(r->problems, name, node,
			"supd.yaml; a package's settings are the same "
			"everywhere");
	else if (interpolate_is_needed(node))
		return read_interpolated(r, name, node, is_secret);
	json_t *text = json_stringn(node->text, node->length);
	/* valid UTF-8, as libyaml checked */
	return show(r, text ? text : json_null(), is_secret);
}

static struct value read_map(
	const struct reading *r, const struct node *map, bool is_secret);

static struct value
read_value(const struct reading *r, const char *name, const struct node *node,
	bool is_secret)
{
	if (node->kind == NODE_SCALAR)
		return read_scalar(r, name, node, is_secret);
	if (node->kind == NODE_MAP)
		return read_map(r, node, is_secret);
	struct value list = {json_array(), r->is_package ? NULL : json_array()};
	for (uint32_t i = 0; i < node->count; i++) {
		struct value item =
			read_value(r, name, node->items[i], is_secret);
		json_array_append_new(list.real, item.real);
		if (list.shown)
			json_array_append_new(list.shown, item.shown);
	}
	return list;
}

static struct value
read_map(const struct reading *r, const struct node *map, bool is_secret)
{
	struct value object = {
		json_object(), r->is_package ? NULL : json_object()};
	for (uint32_t i = 0; i < map->count; i++) {
		const struct node *key = map->keys[i];
		if (!interpolate_refuse(r->problems, "settings", key,
			    "values, not in keys"))
			continue;
		struct value item = read_value(r, key->text, map->items[i],
			is_secret || secret_is_key(key->text));
		json_object_set_new(object.real, key->text, item.real);
		if (object.shown)
			json_object_set_new(
				object.shown, key->text, item.shown);
	}
	return object;
}

size_t
settings_bytes(const json_t *settings)
{
	struct buffer packed = {0};
	msgpack_packer packer;

	codec_packer(&packer, &packed);
	value_pack(&packer, settings);
	size_t bytes = buffer_length(&packed);
	buffer_finish(&packed);
	return bytes;
}

json_t *
settings_read(
	struct problems *problems, const struct node *map, json_t **shown_out)
{
	struct reading r = {problems, !shown_out};
	struct value object = read_map(&r, map, false);
	if (value_is_deeper(object.real, VALUE_DEPTH_MAX))
		node_problem(problems, map,
			"'settings' must not be nested deeper than %d levels",
			VALUE_DEPTH_MAX);
	if (shown_out)
		*shown_out = object.shown;
	return object.real;
}

char *
settings_read_text(struct problems *problems, const char *name,
	const struct node *node, char **shown_out)
{
	struct reading r = {problems, false};
	uint32_t errors = problems->errors;
	struct value value =
		read_interpolated(&r, name, node, secret_is_key(name));
	char *text = NULL;
	*shown_out = NULL;
	if (problems->errors == errors) {
		text = memory_copy_text(json_string_value(value.real));
		*shown_out = memory_copy_text(json_string_value(value.shown));
	}
	json_decref(value.real);
	json_decref(value.shown);
	return text;
}

static void
lay_over(json_t *under, const json_t *over)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)over, key, value)
	{
		json_t *there = json_object_get(under, key);
		if (json_is_object(there) && json_is_object(value))
			lay_over(there, value);
		else
			json_object_set_new(under, key, json_deep_copy(value));
	}
}

json_t *
settings_merge(const json_t *defaults, const json_t *over)
{
	json_t *merged = defaults ? json_deep_copy(defaults) : json_object();
	if (over)
		lay_over(merged, over);
	return merged;
}

json_t *
plugin_settings(
	const struct plugin_config *plugin, const struct manifest *manifest)
{
	return settings_merge(
		manifest ? manifest->settings : NULL, plugin->settings);
}
