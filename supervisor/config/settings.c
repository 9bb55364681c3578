/* settings: scalars to JSON types, and one object laid over another. */
#include "supervisor/config/settings.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/config/manifest.h"

bool
settings_text_is_supported(
	struct problems *problems, const char *name, const struct node *node)
{
	if (!strstr(node->text, "${env:") && !strstr(node->text, "${file:"))
		return true;
	node_problem(problems, node,
		"'%s': ${env:} and ${file:} are not supported yet", name);
	return false;
}

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

static json_t *
read_scalar(
	struct problems *problems, const char *name, const struct node *node)
{
	bool is_real;
	if (node_is_null(node))
		return json_null();
	if (!node->quoted && strlen(node->text) == node->length) {
		if (!strcmp(node->text, "true") ||
			!strcmp(node->text, "True") ||
			!strcmp(node->text, "TRUE"))
			return json_true();
		if (!strcmp(node->text, "false") ||
			!strcmp(node->text, "False") ||
			!strcmp(node->text, "FALSE"))
			return json_false();
		if (is_number(node->text, &is_real))
			return read_number(problems, name, node, is_real);
	}
	settings_text_is_supported(problems, name, node);
	json_t *text = json_stringn(node->text, node->length);
	return text ? text : json_null(); /* libyaml checked the UTF-8 */
}

static json_t *
read_value(struct problems *problems, const char *name, const struct node *node)
{
	if (node->kind == NODE_SCALAR)
		return read_scalar(problems, name, node);
	if (node->kind == NODE_MAP)
		return settings_read(problems, node);
	json_t *list = json_array();
	for (uint32_t i = 0; i < node->count; i++)
		json_array_append_new(
			list, read_value(problems, name, node->items[i]));
	return list;
}

json_t *
settings_read(struct problems *problems, const struct node *map)
{
	json_t *object = json_object();
	for (uint32_t i = 0; i < map->count; i++) {
		const struct node *key = map->keys[i];
		if (strlen(key->text) != key->length) {
			node_problem(problems, key,
				"a key must not contain a NUL byte");
			continue;
		}
		json_object_set_new(object, key->text,
			read_value(problems, key->text, map->items[i]));
	}
	return object;
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
