/* words: the built-in commands. What supd knows comes from the table of
 * commands; only its form is made here. */
#include "supervisor/chat/words.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/text.h"
#include "supervisor/chat/text.h"

#define PLUGINS_MAX 40 /* named by /plugins; the others are counted */
#define FAILED_MAX 5   /* named by /status */
#define LOG_LINES 20   /* of a new worker, that are looked at */

static bool
is_shown(const struct plugin *p)
{
	return p && !p->removed;
}

static void
run(struct chat_call *c, const json_t *args)
{
	command_run(&c->call, verb_rows[c->word->verb].name, args);
}

/* ---- help ---- */

static void
run_help(struct chat_call *c, const json_t *args)
{
	char *text = help_text(&c->chat->help, c->chat->gateway,
		c->call.nobody ? NULL : &c->call.role);

	(void)args;
	c->chat->gateway->chat.commands[OUTCOME_DONE]++;
	chat_answer(c, text);
	free(text);
}

/* ---- plugins ---- */

/* The first ones by id: the table answers so many at once. */
static void
run_plugins(struct chat_call *c, const json_t *args)
{
	const struct gateway *g = c->chat->gateway;
	json_t *ids = json_array(), *wanted;

	(void)args;
	for (uint32_t i = 0;
		i < g->plugin_count && json_array_size(ids) < PLUGINS_MAX; i++)
		if (is_shown(g->plugins[i]))
			json_array_append_new(
				ids, json_string(g->plugins[i]->id));
	wanted = json_pack("{s:o}", "ids", ids);
	run(c, json_array_size(ids) ? wanted : NULL);
	json_decref(wanted);
}

static unsigned
count_plugins(const struct gateway *g)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < g->plugin_count; i++)
		count += is_shown(g->plugins[i]);
	return count;
}

static void
answer_plugins(
	const struct chat_call *c, struct buffer *out, const json_t *result)
{
	json_t *rows = json_object_get(result, "plugins"), *row;
	unsigned count = count_plugins(c->chat->gateway);
	size_t i;

	json_array_foreach(rows, i, row) text_plugin(out, row);
	if (count > i)
		text_line(out, "and %zu more", count - i);
	if (!i)
		text_line(out, "there are no plugins");
}

/* ---- status ---- */

/* Without an id, only what supd says of itself is used. */
static void
run_status(struct chat_call *c, const json_t *args)
{
	const json_t *id = json_array_get(args, 0);
	const struct gateway *g = c->chat->gateway;
	json_t *wanted = NULL;

	if (id)
		wanted = json_pack("{s:O}", "id", id);
	for (uint32_t i = 0; i < g->plugin_count && !wanted; i++)
		if (is_shown(g->plugins[i]))
			wanted = json_pack("{s:s}", "id", g->plugins[i]->id);
	c->is_whole = !id;
	run(c, wanted);
	json_decref(wanted);
}

static void
put_states(const struct gateway *g, struct buffer *out)
{
	unsigned counts[PLUGIN_STATE_COUNT] = {0}, failed = 0;
	char line[512] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < g->plugin_count; i++)
		if (is_shown(g->plugins[i]))
			counts[plugin_state(g->plugins[i])]++;
	for (int s = 0; s < PLUGIN_STATE_COUNT; s++)
		if (counts[s] && used < sizeof(line))
			used += text_format(line + used, sizeof(line) - used,
				"%s%u %s", used ? ", " : "", counts[s],
				plugin_state_text((enum plugin_state)s));
	text_line(out, "plugins: %s", used ? line : "none");
	for (uint32_t i = 0; i < g->plugin_count && failed < FAILED_MAX; i++) {
		const struct plugin *p = g->plugins[i];

		if (!is_shown(p) || plugin_state(p) != PLUGIN_FAILED)
			continue;
		text_line(out, "%s: failed: %s", p->id, p->failure);
		failed++;
	}
}

static void
answer_status(
	const struct chat_call *c, struct buffer *out, const json_t *result)
{
	if (!c->is_whole) {
		text_plugin_whole(out,
			json_array_get(json_object_get(result, "plugins"), 0));
		return;
	}
	text_gateway(out, result);
	put_states(c->chat->gateway, out);
}

/* ---- reload ---- */

static void
run_reload(struct chat_call *c, const json_t *args)
{
	json_t *wanted =
		json_pack("{s:O}", "pluginId", json_array_get(args, 0));

	run(c, wanted);
	json_decref(wanted);
}

/* What the new worker logged while it started, such as the number of rules that
 * it has read. */
static void
put_start_log(
	const struct gateway *g, struct buffer *out, const json_t *receipt)
{
	const json_t *id = json_object_get(receipt, "pluginId");
	const struct plugin *p = gateway_plugin(g, json_string_value(id));
	json_int_t generation =
		json_integer_value(json_object_get(receipt, "generation"));
	json_t *log;

	if (!p || !generation)
		return;
	log = output_last(p->output, LOG_LINES, (uint32_t)generation);
	text_log(out, log, "log");
	json_decref(log);
}

static void
answer_reload(
	const struct chat_call *c, struct buffer *out, const json_t *result)
{
	text_receipt(out, result);
	if (json_is_true(json_object_get(result, "success")))
		put_start_log(c->chat->gateway, out, result);
	else
		text_log(out, json_object_get(result, "log"), NULL);
}

/* ---- the table ---- */

const struct word words[] = {
	{
		.name = "help",
		.usage = "",
		.help = "List the commands.",
		.verb = VERB_UNKNOWN,
		.most = UINT_MAX,
		.run = run_help,
	},
	{
		.name = "plugins",
		.usage = "",
		.help = "List the plugins.",
		.verb = VERB_STATUS,
		.run = run_plugins,
		.answer = answer_plugins,
	},
	{
		.name = "status",
		.usage = "[ID]",
		.help = "Show supd, or one plugin.",
		.verb = VERB_STATUS,
		.most = 1,
		.run = run_status,
		.answer = answer_status,
	},
	{
		.name = "reload",
		.usage = "ID",
		.help = "Replace a plugin's worker by a new one.",
		.verb = VERB_RELOAD,
		.least = 1,
		.most = 1,
		.ends_at_once = true,
		.run = run_reload,
		.answer = answer_reload,
	},
};
const size_t words_count = sizeof(words) / sizeof(*words);

const struct word *
word_by_name(const char *name)
{
	for (size_t i = 0; i < words_count; i++)
		if (!strcmp(words[i].name, name))
			return &words[i];
	return NULL;
}
