/* keep: the only file that writes stores, and the one that reads them. */
#include "supervisor/gateway/keep.h"

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/text.h"
#include "supervisor/gateway/news.h"
#include "supervisor/ops/history.h"
#include "supervisor/plugin/stage.h"
#include "supervisor/plugin/store_sync.h"

static void
release_claim(struct plugin *p)
{
	const struct gateway *g = p->gateway;

	if (p->claimed)
		stage_unclaim(g->state_dir, p->id, p->claimed);
	p->claimed = 0;
}

int
keep_save(struct plugin *p, struct error *err)
{
	const struct gateway *g = p->gateway;

	if (store_save(&p->store, g->state_dir, p->id, err) < 0)
		return -1;
	if (p->store.made_file)
		store_sync_soon(g->sync);
	p->unsaved = false;
	release_claim(p);
	return 0;
}

int
keep_decision(struct plugin *p, struct error *err)
{
	const struct gateway *g = p->gateway;

	if (keep_save(p, err) < 0)
		return -1;
	store_sync_now(g->sync);
	return 0;
}

int
keep_reserve_epochs(struct plugin *p, unsigned count, struct error *err)
{
	uint64_t before = p->store.epoch;

	if (p->epoch + count <= before)
		return 0;
	p->store.epoch = p->epoch + KEEP_EPOCHS;
	if (keep_save(p, err) == 0)
		return 0;
	p->store.epoch = before;
	return error_prefix(err, "the epoch cannot be saved: ");
}

int
keep_next_epoch(struct plugin *p, uint64_t *epoch_out, struct error *err)
{
	if (keep_reserve_epochs(p, 1, err) < 0)
		return -1;
	*epoch_out = ++p->epoch;
	return 0;
}

static void
save_later(struct plugin *p, const struct error *cause)
{
	struct gateway *g = p->gateway;
	struct log_subject subject = {.plugin = p->id};

	if (!p->unsaved)
		log_write(LOG_ERROR, &subject, "%s; retrying every %d s",
			cause->text, KEEP_RETRY_MS / 1000);
	p->unsaved = true;
	if (!wheel_timer_is_set(&g->keep_timer))
		wheel_set(
			&g->wheel, &g->keep_timer, clock_ms() + KEEP_RETRY_MS);
}

void
keep_save_sooner_or_later(struct plugin *p)
{
	struct error err;

	if (keep_save(p, &err) < 0)
		save_later(p, &err);
}

void
keep_generation_later(struct plugin *p, const struct error *cause)
{
	const struct gateway *g = p->gateway;
	struct log_subject subject = {.plugin = p->id};
	uint32_t generation = p->store.generation;
	struct error err;

	save_later(p, cause);
	if (stage_claim(g->state_dir, p->id, generation, &err) < 0) {
		log_write(LOG_WARN, &subject,
			"%s; if supd is killed before its state is saved, "
			"generation %u may be used again",
			err.text, generation);
		return;
	}
	if (p->claimed != generation)
		release_claim(p);
	p->claimed = generation;
}

/* Retries some saves per turn. The first failure ends the retry, as the others
 * would fail too. */
static void
retry_is_due(struct wheel_timer *timer)
{
	struct gateway *g = container_of(timer, struct gateway, keep_timer);
	uint64_t again_ms = 0;
	unsigned saves = 0;
	struct error err;

	for (uint32_t i = 0; i < g->plugin_count && !again_ms; i++) {
		struct plugin *p = g->plugins[i];
		struct log_subject subject = {.plugin = p ? p->id : NULL};

		if (!p || !p->unsaved)
			continue;
		if (saves++ == KEEP_SAVES_PER_TURN)
			again_ms = WHEEL_TICK_MS;
		else if (keep_save(p, &err) < 0)
			again_ms = KEEP_RETRY_MS;
		else
			log_write(LOG_INFO, &subject, "state saved");
	}
	if (again_ms)
		wheel_set(&g->wheel, &g->keep_timer, clock_ms() + again_ms);
}

/* ---- at the start ---- */

/* Failed generations leave no trace outside of the store; skip some. */
#define LOST_GENERATIONS 100

/* The greatest generation found in past receipts or stages. */
static uint32_t
last_known_generation(const struct gateway *g, const struct plugin *p)
{
	uint32_t newest = stage_newest(g->state_dir, p->id);
	json_t *past = g->history ? history_last(g->history, p->id,
					    HISTORY_RECEIPTS_MAX)
				  : json_array();
	json_t *receipt;
	size_t i;

	json_array_foreach(past, i, receipt)
	{
		json_int_t n = json_integer_value(
			json_object_get(receipt, "generation"));

		if (n > newest && n < UINT32_MAX - LOST_GENERATIONS)
			newest = (uint32_t)n;
	}
	json_decref(past);
	return newest;
}

/* The store is lost. Its generations are unknown, and none may be used twice,
 * so numbering skips ahead. Decisions of operators are lost too: the
 * configuration counts. */
static void
take_lost_store(struct gateway *g, struct plugin *p, const struct error *cause)
{
	struct log_subject subject = {.plugin = p->id};
	struct error err;

	p->store.generation = last_known_generation(g, p) + LOST_GENERATIONS;
	p->store.epoch = clock_wall_ms(); /* no count comes near it */
	text_format(p->state_lost, sizeof(p->state_lost), "%s", cause->text);
	log_write(LOG_ERROR, &subject,
		"stored state lost: %s; starting as configured, "
		"from generation %u on",
		cause->text, p->store.generation + 1);
	if (store_put_aside(g->state_dir, p->id, &err) < 0)
		log_write(LOG_ERROR, &subject, "%s", err.text);
	news_state_lost(p);
}

static void
load_store(struct gateway *g, struct plugin *p)
{
	struct log_subject subject = {.plugin = p->id};
	struct error err;
	int result = store_load(&p->store, g->state_dir, p->id, &err);

	if (result < 0)
		take_lost_store(g, p, &err);
	if (result <= 0)
		return;
	/* the lost copy may be newer, by at most one generation, or these
	 * epochs, per save */
	p->store.generation++;
	p->store.epoch += KEEP_EPOCHS;
	log_write(LOG_WARN, &subject,
		"%s; read the other copy; the next write repairs this "
		"one",
		err.text);
}

/* A store that could not be written may be behind the generations that were
 * used: claims, marked beside the stages, name those. */
static void
take_claims(struct gateway *g, struct plugin *p)
{
	uint32_t newest = stage_newest(g->state_dir, p->id);

	if (newest <= p->store.generation)
		return;
	p->store.generation = newest;
	p->claimed = newest; /* until the store has it */
	keep_save_sooner_or_later(p);
}

void
keep_load(struct plugin *p)
{
	load_store(p->gateway, p);
	p->epoch = p->store.epoch;
	take_claims(p->gateway, p);
}

int
keep_forget_stages(const struct gateway *g, const char *plugin_id)
{
	uint32_t claimed = stage_newest(g->state_dir, plugin_id);
	struct store s;
	struct error err;
	int result = store_load(&s, g->state_dir, plugin_id, &err);

	if (result > 0) { /* as load_store() */
		s.generation++;
		s.epoch += KEEP_EPOCHS;
	}
	if (result >= 0 && (s.proven_generation || s.older_generation ||
				   claimed > s.generation)) {
		if (claimed > s.generation)
			s.generation = claimed;
		store_forget_proven(&s);
		store_forget_older(&s);
		result = store_save(&s, g->state_dir, plugin_id, &err);
	}
	store_finish(&s);
	return result < 0 ? -1 : 0;
}

void
keep_init(struct gateway *g)
{
	wheel_timer_init(&g->keep_timer, retry_is_due);
}
