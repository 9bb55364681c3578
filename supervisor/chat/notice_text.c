/* notice_text: a row for each event. */
#include "supervisor/chat/notice_text.h"

#include <string.h>

#include "supervisor/chat/text.h"

struct news {
	const char *plugin_id; /* or NULL */
	const json_t *data;
	enum config_notify what;
	struct buffer line; /* empty: nobody hears of it */
};

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static bool
is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

/* ---- reloads ---- */

/* What supd does on its own after a crash or at its start is none: if a notice
 * could make a worker crash, the next one would, too. */
static bool
is_reload(const json_t *receipt)
{
	static const char *const kinds[] = {
		"reload", "restart", "configure", NULL};
	static const char *const own[] = {"start", "crash", NULL};

	return is_one_of(text_of(receipt, "kind"), kinds) &&
	       !is_one_of(text_of(receipt, "trigger"), own) &&
	       !json_is_true(json_object_get(receipt, "unchanged"));
}

static void
verdict(struct news *n)
{
	if (json_object_get(n->data, "proved"))
		return; /* nothing was to be replaced */
	if (json_is_true(json_object_get(n->data, "success"))) {
		if (!is_reload(n->data))
			return;
		n->what = NOTIFY_ALL;
	}
	text_receipt(&n->line, n->data);
}

static void
reverted(struct news *n)
{
	text_receipt(&n->line, n->data);
}

static void
repeated(struct news *n)
{
	text_line(&n->line,
		"%s: %" JSON_INTEGER_FORMAT " more reloads failed: %s",
		n->plugin_id,
		json_integer_value(json_object_get(n->data, "count")),
		text_of(n->data, "error"));
}

/* ---- what needs a person ---- */

static void
failed(struct news *n)
{
	text_line(&n->line,
		"%s: failed, and supd does not try again until it is "
		"reloaded, started or changed: %s",
		n->plugin_id, text_of(n->data, "error"));
}

static void
starved(struct news *n)
{
	text_line(&n->line, "%s: cannot start: %s", n->plugin_id,
		text_of(n->data, "error"));
}

static void
stage_damaged(struct news *n)
{
	text_line(&n->line, "%s: its staged copy is damaged: %s", n->plugin_id,
		text_of(n->data, "error"));
}

static void
runs_older(struct news *n)
{
	text_line(&n->line, "%s: runs an older generation: %s", n->plugin_id,
		text_of(n->data, "error"));
}

static void
state_lost(struct news *n)
{
	text_line(&n->line, "%s: what supd knew of it is lost: %s",
		n->plugin_id, text_of(n->data, "error"));
}

static void
refused(struct news *n)
{
	text_line(&n->line,
		"configuration refused, the old one is in force: %s",
		text_of(n->data, "error"));
}

static size_t
count_restarts(const json_t *changes, const char **path_out)
{
	size_t count = 0, i;
	json_t *change;

	json_array_foreach(changes, i, change)
	{
		if (strcmp(text_of(change, "class"), "restart") != 0)
			continue;
		if (!count++)
			*path_out = text_of(change, "path");
	}
	return count;
}

static void
applied(struct news *n)
{
	const char *path = "";
	size_t count =
		count_restarts(json_object_get(n->data, "changes"), &path);

	if (count == 1)
		text_line(&n->line,
			"%s takes effect only when supd is restarted", path);
	else if (count)
		text_line(&n->line,
			"%s and %zu more changes take effect only when supd "
			"is restarted",
			path, count - 1);
}

static void
planned(struct news *n)
{
	size_t count = json_array_size(json_object_get(n->data, "changes"));

	if (*text_of(n->data, "error"))
		text_line(&n->line,
			"the configuration on disk would be refused: %s",
			text_of(n->data, "error"));
	else if (count)
		text_line(&n->line,
			"the configuration on disk has changes, which wait for "
			"'supctl apply': %zu",
			count);
}

static void
store_unavailable(struct news *n)
{
	text_line(&n->line, "the message store is not available: %s",
		text_of(n->data, "reason"));
}

static void
store_damaged(struct news *n)
{
	text_line(&n->line,
		"the message store was damaged and is begun anew; the old one "
		"is %s",
		text_of(n->data, "movedTo"));
}

static const struct {
	const char *name;
	void (*write)(struct news *n);
} rows[] = {
	{"reload.verdict", verdict},
	{"reload.reverted", reverted},
	{"reload.repeated", repeated},
	{"plugin.failed", failed},
	{"plugin.starved", starved},
	{"plugin.stage_damaged", stage_damaged},
	{"plugin.runs_older", runs_older},
	{"plugin.state_lost", state_lost},
	{"config.refused", refused},
	{"config.applied", applied},
	{"config.planned", planned},
	{"channel.store_unavailable", store_unavailable},
	{"channel.store_damaged", store_damaged},
};

char *
notice_text(const json_t *event, enum config_notify *what_out)
{
	struct news n = {.plugin_id = text_of(event, "pluginId"),
		.data = json_object_get(event, "data"),
		.what = NOTIFY_FAILURES};
	const char *name = text_of(event, "event");

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!strcmp(name, rows[i].name)) {
			rows[i].write(&n);
			break;
		}
	*what_out = n.what;
	if (buffer_length(&n.line))
		return text_take(&n.line);
	buffer_finish(&n.line);
	return NULL;
}
