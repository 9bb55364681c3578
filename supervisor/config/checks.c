/* checks: checks the form of ids, mounts and namespaces, and whether folders
 * exist. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "supervisor/config/network.h"
#include "supervisor/config/tables.h"

bool
config_id_is_valid(const char *id)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t length = strlen(id);
	return length && length <= 64 && strchr(first, id[0]) &&
	       strspn(id, rest) == length;
}

void
check_id(struct problems *problems, const struct node *node, void *base)
{
	if (!config_id_is_valid(node->text))
		node_problem(problems, node,
			"'%s' is not an id: lower-case letters, digits, - and "
			"_, at most 64, first a letter or digit",
			node->text);
}

void
check_requirement(struct problems *problems, const struct node *node,
	const struct text_list *list, struct config_position **positions)
{
	uint32_t last = list->count - 1;
	check_id(problems, node, NULL);
	*positions =
		memory_resize(*positions, list->count * sizeof(**positions));
	(*positions)[last] = (struct config_position){node->line, node->column};
	for (uint32_t i = 0; i < last; i++)
		if (!strcmp(list->items[i], list->items[last])) {
			problems_warn(problems, node->file, node->line,
				node->column, "'%s' is required twice",
				node->text);
			break;
		}
}

void
check_requires(struct problems *problems, const struct node *node, void *base)
{
	struct plugin_config *plugin = base;
	check_requirement(
		problems, node, &plugin->requires, &plugin->requires_at);
}

void
check_folder(struct problems *problems, const struct node *node, void *base)
{
	char *path = path_beside(node->file, node->text);
	struct stat status;
	if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
		problems_warn(problems, node->file, node->line, node->column,
			"folder %s does not exist", path);
	free(path);
}

static bool
is_path_text(const char *text)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789/._~-";
	return strspn(text, allowed) == strlen(text) && text[0] == '/' &&
	       text[strlen(text) - 1] != '/' && !strstr(text, "//") &&
	       !strstr(text, "/./") && !strstr(text, "/../");
}

static bool
ends_in_dots(const char *text)
{
	const char *last = strrchr(text, '/');
	return !strcmp(last, "/.") || !strcmp(last, "/..");
}

void
check_mount(struct problems *problems, const struct node *node, void *base)
{
	static const char *const own[] = {
		"/api", "/ws", "/livez", "/readyz", "/metrics"};
	const char *text = node->text;
	if (!*text)
		return;
	if (!is_path_text(text) || ends_in_dots(text)) {
		node_problem(problems, node,
			"'mount' must be a path such as /bot-a, without a "
			"slash at its end");
		return;
	}
	for (size_t i = 0; i < SCHEMA_COUNT_OF(own); i++) {
		size_t length = strlen(own[i]);
		if (!strncmp(text, own[i], length) &&
			(!text[length] || text[length] == '/'))
			node_problem(problems, node,
				"'mount' must not begin with %s, which is "
				"supd's own",
				own[i]);
	}
}

void
check_namespace(struct problems *problems, const struct node *node, void *base)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789_-.";
	const char *text = node->text;
	size_t length = strlen(text);
	if (!length)
		return;
	if (strspn(text, allowed) != length || text[0] == '.' ||
		text[length - 1] == '.')
		node_problem(problems, node,
			"'namespace' must be letters, digits, -, _ and inner "
			"dots; the dot after it is added");
}

void
origin_check(struct problems *problems, const struct node *node, void *base)
{
	const char *text = node->text;
	size_t scheme = !strncmp(text, "https://", 8)  ? 8
			: !strncmp(text, "http://", 7) ? 7
						       : 0;

	(void)base;
	if (!scheme || !text[scheme] ||
		text[scheme + strcspn(text + scheme, "/?#@ ")])
		node_problem(problems, node,
			"'origins': '%s' is not an origin: http:// or "
			"https://, a host, perhaps a port, and no path",
			text);
}

void
network_check(struct problems *problems, const struct node *node, void *base)
{
	struct network network;
	struct error err;

	(void)base;
	if (network_read(&network, node->text, &err))
		node_problem(problems, node, "'trusted_proxies': %s", err.text);
}
