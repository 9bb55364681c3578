/* recall: the message store, from the first channel on, and what an earlier
 * supd left in it. */
#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/channel/parts.h"
#include "supervisor/event/services.h"
#include "supervisor/gateway/news.h"

#define RECALL_RETRY_MS 1000

/* ---- what an earlier supd left ---- */

/* All channels that waited for it may start. */
static void
recall_ended(struct channels *all)
{
	struct gateway *g = all->gateway;

	all->recall = RECALL_DONE;
	for (uint32_t i = 0; i < g->plugin_count; i++)
		channels_look_at(g->plugins[i]);
}

void
channels_recalled(struct store_call *call, const struct store_result *result)
{
	struct channels *all = container_of(call, struct channels, recalling);
	struct gateway *g = all->gateway;

	if (result->answer != STORE_OK) {
		wheel_set(&g->wheel, &all->recall_again,
			clock_ms() + RECALL_RETRY_MS);
		return;
	}
	for (size_t i = 0; i < result->message_count; i++)
		if (result->messages[i].outbound)
			outbound_recall(all, &result->messages[i]);
		else
			inbound_recall(all, &result->messages[i]);
	all->recalled_seq = result->next_seq;
	if (result->more)
		channels_recall(all);
	else
		recall_ended(all);
}

void
channels_recall(struct channels *all)
{
	all->recall = RECALL_UNDER_WAY;
	message_store_query(all->store, &all->recalling,
		&(struct store_query){.direction = STORE_BOTH,
			.states = STORED_STATE_BIT(STORED_PENDING) |
				  STORED_STATE_BIT(STORED_ACTIVE),
			.after_seq = all->recalled_seq,
			.bodies = true});
}

void
channels_recall_again_due(struct wheel_timer *t)
{
	channels_recall(container_of(t, struct channels, recall_again));
}

/* ---- the store ---- */

static struct message_store_settings
settings_of(const struct config *config)
{
	return (struct message_store_settings){
		.full_sync = config->messages.sync == MESSAGES_SYNC_FULL,
		.keep_ms = config->messages.keep_ms,
		.max_bytes = config->messages.max_bytes,
	};
}

static void
on_trouble(void *user, const char *reason)
{
	struct channels *all = user;

	news_gateway(all->gateway,
		reason ? "channel.store_unavailable"
		       : "channel.store_available",
		reason ? json_pack("{s:s}", "reason", reason) : json_object());
}

static void
on_damaged(void *user, const char *path)
{
	struct channels *all = user;

	news_gateway(all->gateway, "channel.store_damaged",
		json_pack("{s:s}", "movedTo", path));
}

void
channels_need_store(struct channels *all)
{
	struct gateway *g = all->gateway;
	struct message_store_settings settings = settings_of(g->config);
	struct message_store_owner owner = {.group = &g->peers,
		.children = &g->workers.children,
		.user = all,
		.on_trouble = on_trouble,
		.on_damaged = on_damaged};
	char *program, *database;

	if (all->store)
		return;
	program = message_store_program(g->worker_program);
	database = memory_format("%s/messages.db", g->state_dir);
	all->store = message_store_create(&owner, program, database, &settings);
	free(program);
	free(database);
	channels_recall(all);
}

void
channels_configure(struct channels *all, const struct config *config)
{
	struct message_store_settings settings;

	if (!all || !all->store)
		return;
	settings = settings_of(config);
	message_store_configure(all->store, &settings);
}
