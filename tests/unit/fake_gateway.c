#include "tests/unit/fake_gateway.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/watch/watch.h"
#include "supervisor/apply/enable.h"
#include "proto/util/clock.h"
#include "supervisor/control/page.h"
#include "supervisor/control/slices.h"
#include "supervisor/event/events.h"
#include "supervisor/event/services.h"
#include "supervisor/event/view.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/ops/journal.h"
#include "supervisor/plugin/output_hub.h"
#include "supervisor/channel/messages.h"
#include "supervisor/schedule/schedule.h"

struct fake_gateway fake;

/* ---- opening and closing ---- */

static void
add_plugin(uint32_t number, struct plugin_config *config)
{
	struct plugin *p = plugin_create(number, config->id);

	plugin_want(p, config);
	plugin_configure(p, config);
	p->enabled = config->enabled;
	output_join(p->output, fake.gateway.lines);
	p->gateway = &fake.gateway;
	fake.gateway.plugins[number] = p;
	map_set(&fake.gateway.by_id, p->id, strlen(p->id), p);
}

void
fake_open(const char *yaml, struct ev_loop *loop)
{
	struct problems problems = {0};
	struct gateway *g = &fake.gateway;

	fake = (struct fake_gateway){0};
	g->config = config_load_text(
		"/test/supd.yaml", yaml, strlen(yaml), &problems);
	problems_print(&problems, stderr);
	cr_assert(g->config);
	problems_finish(&problems);
	g->loop = loop;
	g->journal = journal_create();
	g->lines = output_hub_create();
	wheel_init(&g->wheel, clock_ms());
	g->routes = route_table_create();
	if (loop) {
		peer_group_init(&g->peers, loop);
		g->pages = page_press_create(g);
		g->slices = slices_create(loop);
	}
	g->plugin_count = g->config->plugin_count;
	g->plugins =
		memory_alloc((g->plugin_count + 1) * sizeof(struct plugin *));
	for (uint32_t i = 0; i < g->plugin_count; i++)
		add_plugin(i, g->config->plugins[i]);
}

void
fake_close(void)
{
	struct gateway *g = &fake.gateway;

	for (uint32_t i = 0; i < g->plugin_count; i++)
		plugin_destroy(g->plugins[i]);
	free(g->plugins);
	map_finish(&g->by_id);
	output_hub_destroy(g->lines);
	route_table_destroy(g->routes);
	config_unref(g->config);
	journal_destroy(g->journal);
	if (g->loop) {
		page_press_destroy(g->pages);
		slices_destroy(g->slices);
		peer_group_finish(&g->peers);
	}
	json_decref(fake.answer);
}

struct plugin *
fake_plugin(const char *id)
{
	struct plugin *p = gateway_plugin(&fake.gateway, id);

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

json_t *
gateway_waits_for(const struct gateway *g)
{
	(void)g;
	return json_array();
}

bool
reload_package_is_there(const struct plugin *p)
{
	(void)p;
	return true;
}

void
reload_describe(const struct plugin *p, struct buffer *out)
{
	(void)p;
	buffer_append_text(out, "r-1 (reload, supctl): checking");
}

bool
reload_is_safe(const struct gateway *g, const struct plugin *p,
	const char **reason_out)
{
	*reason_out = fake.unsafe;
	return !fake.unsafe;
}

static struct receipt *
receipt(const struct plugin *p, enum receipt_state state)
{
	struct receipt *r = receipt_create(state);

	r->plugin_id = memory_copy_text(p->id);
	return r;
}

struct receipt *
reload_refused_receipt(struct gateway *g, const struct plugin *p,
	const char *trigger, enum reload_refusal why, const char *reason)
{
	struct receipt *r = receipt(p, RECEIPT_REFUSED);

	r->error = memory_copy_text(reason);
	return r;
}

void
reload_unwatch(struct reload_watcher *w)
{
	for (unsigned i = 0; i < fake.begun_count; i++)
		if (fake.begun[i].watcher == w)
			fake.begun[i].watcher = NULL;
}

static enum reload_refusal
begin(struct plugin *p, const char *what, const struct reload_options *options,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	struct fake_reload *r = &fake.begun[fake.begun_count];

	if (fake.refuse) {
		error_set(err, "%s", fake.refuse);
		return RELOAD_BUSY;
	}
	cr_assert_lt(fake.begun_count, FAKE_RELOADS_MAX);
	fake.begun_count++;
	*r = (struct fake_reload){
		.plugin = p, .watcher = watcher, .what = what};
	if (options)
		r->options = *options;
	r->in_set = options && options->set && fake.sets;
	snprintf(id_out, 24, "r-%u", fake.begun_count);
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
	fake.sets++;
	return (struct reload_set *)&fake; /* only passed on */
}

struct reload_set *
reload_sequence_create(struct gateway *g)
{
	fake.sequences++;
	return (struct reload_set *)&fake;
}

void
reload_set_close(struct reload_set *set)
{
	cr_assert_eq(set, (struct reload_set *)&fake);
}

enum reload_refusal
reload_check(struct gateway *g, const struct plugin *p, struct error *err)
{
	if (!fake.refuse)
		return RELOAD_ACCEPTED;
	error_set(err, "%s", fake.refuse);
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
enable_begin_enable(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	return begin(p, "enable", NULL, watcher, id_out, err);
}

enum reload_refusal
enable_begin_disable(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	return begin(p, "disable", NULL, watcher, id_out, err);
}

void
apply_begin(struct gateway *g, struct apply_request *r)
{
	fake.apply = r;
}

void
apply_leave(struct apply_request *r)
{
	if (fake.apply == r)
		fake.apply = NULL;
}

void
fake_phase(unsigned begun, const char *phase)
{
	struct fake_reload *r = &fake.begun[begun];

	if (r->watcher)
		r->watcher->on_phase(r->watcher, r->plugin->id, phase, 1.5);
}

void
fake_verdict(unsigned begun, enum receipt_state state)
{
	struct fake_reload *r = &fake.begun[begun];
	struct reload_watcher *w = r->watcher;
	struct receipt *verdict = receipt(r->plugin, state);

	if (w && state != RECEIPT_DONE)
		r->watcher = NULL;
	if (w)
		w->on_verdict(w, verdict);
	receipt_unref(verdict);
}

void
fake_settled(unsigned begun, enum receipt_state state)
{
	struct fake_reload *r = &fake.begun[begun];
	struct reload_watcher *w = r->watcher;
	struct receipt *verdict = receipt(r->plugin, state);

	r->watcher = NULL;
	if (w)
		w->on_settled(w, verdict);
	receipt_unref(verdict);
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
	fake.request = r;
}

json_t *
hook_view(const struct gateway *g, const struct route_row *row)
{
	(void)g, (void)row;
	return json_object();
}

bool
hook_view_concerns(const struct route_row *row, const char *event)
{
	(void)row, (void)event;
	return true;
}

json_t *
services_view(
	const struct worker *w, enum registration_kind kind, uint32_t most)
{
	(void)w, (void)kind, (void)most;
	return json_array();
}

struct services_count
services_count(const struct worker *w)
{
	(void)w;
	return (struct services_count){0};
}

json_t *
services_take_view(const struct worker *w)
{
	(void)w;
	return json_null();
}

bool
services_are_exclusive(const struct worker *w)
{
	(void)w;
	return false;
}

int
events_take(struct events *e, struct plugin *p, const char *name,
	const json_t *data, struct chain *chain, uint64_t *seq_out,
	enum wire_error *code_out, struct error *err)
{
	(void)e, (void)p, (void)name, (void)data, (void)chain, (void)seq_out;
	*code_out = WIRE_FAILED;
	return error_set(err, "no hooks in this test");
}

void
dispatch_begin_span(struct gateway *g, struct request *r)
{
	(void)g, (void)r;
}

void
dispatch_cancel(struct gateway *g, struct request *r)
{
	r->id = 0;
	fake.cancelled++;
}

void
dispatch_note_waiting(struct gateway *g, struct request *r, bool waits)
{
}

void
dispatch_credit(struct gateway *g, struct request *r, uint64_t bytes)
{
}

void
dispatch_send_chunk(
	struct gateway *g, struct request *r, struct bytes piece, bool more)
{
}

void
dispatch_note_failure(
	struct gateway *g, const struct request *r, enum request_failure why)
{
	fake.failures++;
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
	json_decref(fake.answer);
	fake.answer = json_deep_copy(result);
	fake.answers++;
}

void
worker_answer_packed(struct worker *w, uint32_t id, struct bytes result)
{
	struct codec *codec = codec_create();
	struct error err;
	const msgpack_object *o = codec_decode_value(
		codec, (const uint8_t *)result.at, result.length, &err);

	json_decref(fake.answer);
	fake.answer = value_from(o, &err);
	fake.answers++;
	codec_destroy(codec);
}

void
worker_refuse_call(
	struct worker *w, uint32_t id, enum wire_error code, const char *text)
{
	fake.refusal = code;
	fake.refusals++;
}

/* ---- the place of the schedules ---- */

json_t *
schedule_view(const struct plugin *p)
{
	return json_array();
}

uint64_t
schedule_missed(const struct plugin *p)
{
	return 0;
}

uint64_t
schedule_ticks(const struct plugin *p, bool failed)
{
	return 0;
}

const struct metrics_histogram *
schedule_lateness(const struct gateway *g)
{
	return NULL;
}

enum schedule_refusal
schedule_run(struct gateway *g, const char *name, struct schedule_run *run,
	char *tick_id_out, struct error *err)
{
	error_set(err, "no plugin has the schedule '%s'", name);
	return SCHEDULE_UNKNOWN;
}

void
schedule_leave(struct schedule_run *run)
{
}

/* ---- the place of the channels ---- */

const char *const inbound_end_names[INBOUND_END_COUNT] = {0};
const char *const inbound_answer_names[INBOUND_ANSWER_COUNT] = {0};
const char *const outbound_end_names[OUTBOUND_END_COUNT] = {0};

bool
channels_figures(const struct worker *w, const struct registration *r,
	struct channel_figures *out)
{
	return false;
}

json_t *
channels_view_next(const struct channels *all, size_t *at)
{
	return NULL;
}

json_t *
channels_store_view(const struct channels *all)
{
	return json_null();
}

void
channels_send(struct channels *all, const struct channel_order *order,
	struct channel_send *s)
{
	s->done(s, &(struct channel_sent){
			   .code = WIRE_NOT_FOUND, .error = "no channel"});
}

void
channels_leave_send(struct channel_send *s)
{
}

void
channels_act(struct channels *all, const struct channel_act_order *order,
	struct channel_act *a)
{
	a->done(a, WIRE_NOT_FOUND, "no channel", NULL);
}

void
channels_leave_act(struct channel_act *a)
{
}

bool
messages_list(struct channels *all, struct messages_ask *a,
	const struct messages_page *page)
{
	return false;
}

bool
messages_do(struct channels *all, struct messages_ask *a,
	enum messages_what what, uint64_t seq)
{
	return false;
}

void
messages_leave(struct messages_ask *a)
{
}

enum stored_state
stored_state_by_name(struct bytes name)
{
	return STORED_STATE_COUNT;
}

json_t *
watch_view(const struct watch *w, const struct plugin *p)
{
	return json_null();
}

json_t *
watch_view_config(const struct watch *w)
{
	return json_null();
}

const char *
watch_gate(const struct watch *w)
{
	return NULL;
}

int
watch_decide(struct watch *w, struct plugin *p, bool on, struct error *err)
{
	return error_set(err, "nothing is watched");
}

void
watch_refresh(struct watch *w)
{
}
