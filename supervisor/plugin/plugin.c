/* plugin: the slots and counters of one configured instance. It decides
 * nothing and starts nothing. */
#include "supervisor/plugin/plugin.h"

#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/plugin/survey.h"

static const char *const state_texts[PLUGIN_STATE_COUNT] = {
#define X(name, text) [PLUGIN_##name] = text,
	PLUGIN_STATES(X)
#undef X
};

struct plugin *
plugin_create(uint32_t number, const char *id)
{
	struct plugin *p = memory_alloc(sizeof(*p));

	p->number = number;
	p->id = memory_copy_text(id);
	p->output = output_create(id);
	list_init(&p->others);
	list_init(&p->settling);
	hold_init(&p->hold, 0, 0);
	list_init(&p->conns.moving);
	/* ws_move.c sets the callback */
	wheel_timer_init(&p->conns.due, NULL);
	wheel_timer_init(&p->restart, NULL); /* crash.c sets the callback */
	/* news.c sets these two callbacks */
	wheel_timer_init(&p->overflow.again, NULL);
	wheel_timer_init(&p->emit.again, NULL);
	wheel_timer_init(&p->repeats.again, NULL);
	return p;
}

void
plugin_destroy(struct plugin *p)
{
	if (!p)
		return;
	plugin_config_unref(p->config);
	plugin_config_unref(p->wanted);
	output_destroy(p->output);
	store_finish(&p->store);
	receipt_unref(p->last_reload);
	survey_destroy(p->stage_check);
	free(p->hooks);
	free(p->last_crash);
	free(p->stage_damaged);
	free(p->older_reason);
	free(p->source);
	plugin_note_seen(p, NULL, NULL, NULL);
	manifest_unref(p->before_start);
	free(p->id);
	free(p);
}

void
plugin_want(struct plugin *p, const struct plugin_config *config)
{
	struct plugin_config *old = p->wanted;

	p->wanted = plugin_config_ref(config);
	plugin_config_unref(old);
}

void
plugin_configure(struct plugin *p, const struct plugin_config *config)
{
	struct plugin_config *old = p->config;

	p->config = plugin_config_ref(config);
	plugin_config_unref(old);
	if (p->active)
		worker_configure(p->active, config);
	p->hold.count_max = config->limits.hold_max;
	p->hold.bytes_max = config->limits.hold_bytes;
}

static char *
copy_or_null(const char *text)
{
	return text ? memory_copy_text(text) : NULL;
}

void
plugin_note_seen(struct plugin *p, const char *folder, const char *fingerprint,
	const char *digest)
{
	char *old[] = {p->seen.folder, p->seen.fingerprint, p->seen.digest};

	p->seen.folder = copy_or_null(folder);
	p->seen.fingerprint = copy_or_null(fingerprint);
	p->seen.digest = copy_or_null(digest);
	for (unsigned i = 0; i < sizeof(old) / sizeof(*old); i++)
		free(old[i]);
}

struct worker *
plugin_serving(const struct plugin *p)
{
	return p->active && p->active->state == WORKER_SERVING ? p->active
							       : NULL;
}

enum plugin_state
plugin_state(const struct plugin *p)
{
	if (plugin_serving(p))
		return p->reload ? PLUGIN_RELOADING : PLUGIN_SERVING;
	if (!p->enabled)
		return PLUGIN_DISABLED;
	if (p->stopped)
		return PLUGIN_STOPPED;
	if (p->given_up)
		return PLUGIN_FAILED;
	/* A plugin that never served has no routes, so no requests can be held
	 * for it. */
	return p->counters.reloads ? PLUGIN_HOLDING : PLUGIN_STARTING;
}

const char *
plugin_state_text(enum plugin_state s)
{
	return state_texts[s];
}

bool
plugin_runs_older(const struct plugin *p)
{
	return p->store.older_run &&
	       p->store.older_run == p->store.proven_generation;
}

bool
plugin_is_settled(const struct plugin *p)
{
	return p->settled_once || !p->enabled || p->stopped || p->removed;
}

bool
plugin_will_be_back(const struct plugin *p)
{
	if (plugin_serving(p))
		return true;
	return p->enabled && !p->removed && !p->stopped && !p->given_up;
}

struct worker *
plugin_worker(const struct plugin *p, uint32_t worker_id)
{
	if (p->active && p->active->id == worker_id)
		return p->active;
	if (p->candidate && p->candidate->id == worker_id)
		return p->candidate;
	list_for_each (node, &p->others) {
		struct worker *w = container_of(node, struct worker, node);

		if (w->id == worker_id)
			return w;
	}
	return NULL;
}

uint64_t
plugin_answered(const struct plugin *p)
{
	uint64_t count = p->counters.answered;

	if (p->active)
		count += p->active->answered_total;
	list_for_each (node, &p->others)
		count +=
			container_of(node, struct worker, node)->answered_total;
	return count;
}

uint32_t
plugin_in_flight(const struct plugin *p)
{
	uint32_t count = p->active ? p->active->in_flight_count : 0;

	list_for_each (node, &p->others)
		count += container_of(node, struct worker, node)
				 ->in_flight_count;
	return count;
}
