/* irc: a channel of supd that is a bot on a server of IRC. plugin.yaml lists
 * the settings. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sup/plugin.h>

#include "advance.h"
#include "bot.h"
#include "rotation.h"
#include "session.h"
#include "settings.h"

static struct bot bot;

/* Those of another connection while there is none to keep. */
static void
connect_with(struct settings *s)
{
	bool runs = bot.state == BOT_STARTING || bot.state == BOT_RUNNING;

	session_destroy(bot.session);
	bot.session = NULL;
	bot_set_settings(&bot, s);
	if (runs)
		bot_connect(&bot);
}

static void
configure(struct sup_req *req, void *user)
{
	char why[256];
	struct settings *s = settings_create(sup_req_args_json(req), why);

	if (!s) {
		sup_fail(req, SUP_BAD_MESSAGE, "%s", why);
		return;
	}
	if (strcmp(s->name, bot.settings->name) != 0) {
		sup_fail(
			req, SUP_CONFLICT, "a reload is needed to change name");
		settings_destroy(s);
	} else if (bot.rotation || bot.state == BOT_STOPPING) {
		sup_fail(req, SUP_BUSY, "the connection is being changed");
		settings_destroy(s);
	} else if (settings_same_connection(s, bot.settings)) {
		bot_set_settings(&bot, s);
		sup_ok(req);
	} else if (session_is_ready(bot.session)) {
		rotation_begin(&bot, s, req);
	} else {
		connect_with(s);
		sup_ok(req);
	}
}

static int
init(struct sup *p)
{
	char why[256];
	struct settings *s = settings_create(sup_settings_json(p), why);

	if (!s) {
		fprintf(stderr, "irc: %s\n", why);
		return SUP_FAILED_TO_START;
	}
	signal(SIGPIPE, SIG_IGN); /* TLS writes to closed connections, too */
	sup_on_configure(p, configure, NULL);
	if (bot_create(&bot, p, s))
		return SUP_FAILED_TO_START;
	return advance_begin(&bot) ? SUP_STARTS_LATER : SUP_STARTED;
}

SUP_PLUGIN("irc", "1.0.0", init)
