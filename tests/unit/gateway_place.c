#include "tests/unit/gateway_place.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/ops/journal.h"

struct place place;

/* ---- opening and closing ---- */

static void
add_plugin(uint32_t number, struct plugin_config *config)
{
	struct plugin *p = plugin_create(number, config->id);

	plugin_want(p, config);
	plugin_configure(p, config);
	p->enabled = config->enabled;
	p->gateway = &place.gateway;
	place.gateway.plugins[number] = p;
	map_set(&place.gateway.by_id, p->id, strlen(p->id), p);
}

void
place_open(const char *yaml, struct ev_loop *loop)
{
	struct problems problems = {0};
	struct gateway *g = &place.gateway;

	place = (struct place){0};
	g->config = config_load_text(
		"/test/supd.yaml", yaml, strlen(yaml), &problems);
	problems_print(&problems, stderr);
	cr_assert(g->config);
	problems_finish(&problems);
	g->loop = loop;
	g->journal = journal_create();
	g->routes = route_table_create();
	if (loop)
		peer_group_init(&g->peers, loop);
	g->plugin_count = g->config->plugin_count;
	g->plugins =
		memory_alloc((g->plugin_count + 1) * sizeof(struct plugin *));
	for (uint32_t i = 0; i < g->plugin_count; i++)
		add_plugin(i, g->config->plugins[i]);
}

void
place_close(void)
{
	struct gateway *g = &place.gateway;

	for (uint32_t i = 0; i < g->plugin_count; i++)
		plugin_destroy(g->plugins[i]);
	free(g->plugins);
	map_finish(&g->by_id);
	route_table_destroy(g->routes);
	config_unref(g->config);
	journal_destroy(g->journal);
	if (g->loop)
		peer_group_finish(&g->peers);
	json_decref(place.answer);
}

struct plugin *
place_plugin(const char *id)
{
	struct plugin *p = gateway_plugin(&place.gateway, id);

	cr_assert(p);
	return p;
}

/* ---- the gateway's place ---- */

struct plugin *
gateway_plugin(const struct gateway *g, const char *id)
{
	return map_get(&g->by_id, id, strlen(id));
}

struct plugin *
gateway_plugin_by_number(const struct gateway *g, uint32_t n)
{
	return n < g->plugin_count ? g->plugins[n] : NULL;
}

bool
gateway_is_ready(const struct gateway *g)
{
	return true;
}

bool
reload_is_safe(const struct gateway *g, const struct plugin *p,
	const char **reason_out)
{
	*reason_out = place.unsafe;
	return !place.unsafe;
}

static json_t *
receipt(const struct plugin *p, const char *state)
{
	return json_pack("{s:s,s:s,s:b}", "pluginId", p->id, "state", state,
		"success", !strcmp(state, "done") || !strcmp(state, "settled"));
}

json_t *
reload_refused_receipt(struct gateway *g, const struct plugin *p,
	const char *trigger, const char *reason)
{
	json_t *r = receipt(p, "refused");

	json_object_set_new(r, "error", json_string(reason));
	return r;
}

void
reload_unwatch(struct reload_watcher *w)
{
	for (unsigned i = 0; i < place.begun_count; i++)
		if (place.begun[i].watcher == w)
			place.begun[i].watcher = NULL;
}

static enum reload_refusal
begin(struct plugin *p, const char *what, const struct reload_options *options,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	struct place_reload *r = &place.begun[place.begun_count];

	if (place.refuse) {
		error_set(err, "%s", place.refuse);
		return RELOAD_BUSY;
	}
	cr_assert_lt(place.begun_count, PLACE_RELOADS_MAX);
	place.begun_count++;
	*r = (struct place_reload){
		.plugin = p, .watcher = watcher, .what = what};
	if (options)
		r->options = *options;
	r->in_set = options && options->set && place.sets;
	snprintf(id_out, 24, "r-%u", place.begun_count);
	return RELOAD_ACCEPTED;
}

enum reload_refusal
reload_begin(struct gateway *g, struct plugin *p,
	const struct reload_options *options, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	return begin(p, "reload", options, watcher, id_out, err);
}

struct reload_set *
reload_set_create(struct gateway *g)
{
	place.sets++;
	return (struct reload_set *)&place; /* only passed on */
}

struct reload_set *
reload_sequence_create(struct gateway *g)
{
	place.sequences++;
	return (struct reload_set *)&place;
}

void
reload_set_close(struct reload_set *set)
{
	cr_assert_eq(set, (struct reload_set *)&place);
}

enum reload_refusal
reload_check(struct gateway *g, const struct plugin *p, struct error *err)
{
	if (!place.refuse)
		return RELOAD_ACCEPTED;
	error_set(err, "%s", place.refuse);
	return RELOAD_BUSY;
}

enum reload_refusal
reload_begin_start(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	return begin(p, "start", NULL, watcher, id_out, err);
}

enum reload_refusal
reload_begin_stop(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	return begin(p, "stop", NULL, watcher, id_out, err);
}

enum reload_refusal
reload_begin_restart(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	return begin(p, "restart", NULL, watcher, id_out, err);
}

enum reload_refusal
reload_begin_enable(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	return begin(p, "enable", NULL, watcher, id_out, err);
}

enum reload_refusal
reload_begin_disable(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	return begin(p, "disable", NULL, watcher, id_out, err);
}

void
apply_begin(struct gateway *g, struct apply_request *r)
{
	place.apply = r;
}

void
apply_leave(struct apply_request *r)
{
	if (place.apply == r)
		place.apply = NULL;
}

void
place_phase(unsigned begun, const char *phase)
{
	struct place_reload *r = &place.begun[begun];

	if (r->watcher)
		r->watcher->on_phase(r->watcher, r->plugin->id, phase, 1.5);
}

void
place_verdict(unsigned begun, const char *state)
{
	struct place_reload *r = &place.begun[begun];
	struct reload_watcher *w = r->watcher;
	json_t *verdict = receipt(r->plugin, state);

	if (w && strcmp(state, "done"))
		r->watcher = NULL;
	if (w)
		w->on_verdict(w, verdict);
	json_decref(verdict);
}

void
place_settled(unsigned begun, const char *state)
{
	struct place_reload *r = &place.begun[begun];
	struct reload_watcher *w = r->watcher;
	json_t *verdict = receipt(r->plugin, state);

	r->watcher = NULL;
	if (w)
		w->on_settled(w, verdict);
	json_decref(verdict);
}

/* ---- dispatch: keeps the request for the test to answer ---- */

enum route_verdict
dispatch_find_name(const struct gateway *g, enum registration_kind kind,
	struct bytes name, struct route_match *out)
{
	return route_find_name(g->routes, kind, name, out);
}

void
dispatch_submit(struct gateway *g, struct request *r,
	const struct route_match *match, uint64_t timeout_ms)
{
	r->id = 1;
	place.request = r;
}

void
dispatch_cancel(struct gateway *g, struct request *r)
{
	r->id = 0;
	place.cancelled++;
}

void
dispatch_note_failure(
	struct gateway *g, const struct request *r, enum request_failure why)
{
	place.failures++;
}

uint64_t
dispatch_deadline_ms(const struct request *r)
{
	return 1234;
}

/* ---- the worker's place ---- */

void
worker_configure(struct worker *w, const struct plugin_config *config)
{
	w->config = config;
}

void
worker_answer_call(struct worker *w, uint32_t id, const json_t *result)
{
	json_decref(place.answer);
	place.answer = json_deep_copy(result);
	place.answers++;
}

void
worker_refuse_call(
	struct worker *w, uint32_t id, enum wire_error code, const char *text)
{
	place.refusal = code;
	place.refusals++;
}
