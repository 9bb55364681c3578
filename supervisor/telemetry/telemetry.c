/* telemetry: the settings in force. */
#include "supervisor/telemetry/telemetry.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/util/clock.h"
#include "proto/util/list.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/plugin/helper.h"
#include "supervisor/telemetry/frame.h"
#include "supervisor/telemetry/parts.h"

static struct telemetry *
of_records(struct records *r)
{
	struct tracer *tracer = container_of(r, struct tracer, records);
	struct workers *all = container_of(tracer, struct workers, tracer);

	return container_of(all, struct gateway, workers)->telemetry;
}

/* ---- the queue ---- */

static void
on_flush(struct ev_loop *loop, ev_timer *timer, int events)
{
	outlet_flush(container_of(timer, struct telemetry, flush));
}

static void
on_first(struct records *r)
{
	struct telemetry *t = of_records(r);

	if (ev_is_active(&t->flush) || t->fd < 0)
		return;
	ev_timer_set(&t->flush, TELEMETRY_FLUSH_S, 0);
	ev_timer_start(t->gateway->loop, &t->flush);
}

static void
on_many(struct records *r)
{
	outlet_flush(of_records(r));
}

/* ---- settings ---- */

static void
pack_map(msgpack_packer *p, json_t *map)
{
	if (map)
		value_pack(p, map);
	else
		msgpack_pack_map(p, 0);
}

/* They are packed once, and are the first that each process gets. */
static void
pack_settings(struct telemetry *t, const struct config_telemetry *c)
{
	msgpack_packer p;
	size_t start;

	buffer_clear(&t->settings);
	start = frame_begin(&t->settings);
	codec_packer(&p, &t->settings);
	msgpack_pack_array(&p, 5);
	msgpack_pack_uint64(&p, RECORD_SETTINGS);
	codec_text(&p, c->endpoint);
	pack_map(&p, c->headers);
	pack_map(&p, c->resource);
	msgpack_pack_uint64(&p, c->timeout_ms);
	frame_end(&t->settings, start);
}

/* The signals count too: supd-export forgets the errors of one that is off. */
static bool
is_same(const struct config_telemetry *a, const struct config_telemetry *b)
{
	return !strcmp(a->endpoint, b->endpoint) &&
	       a->timeout_ms == b->timeout_ms && a->traces == b->traces &&
	       a->metrics == b->metrics && a->logs == b->logs &&
	       (a->headers == b->headers ||
		       json_equal(a->headers, b->headers)) &&
	       (a->resource == b->resource ||
		       json_equal(a->resource, b->resource));
}

static void
turn_off(struct telemetry *t)
{
	if (!t->is_on)
		return;
	t->is_on = false;
	telemetry_log(LOG_INFO, "off");
	outlet_finish(t);
}

static void
turn_on(struct telemetry *t, const struct config_telemetry *old,
	const struct config_telemetry *now)
{
	if (t->is_on && is_same(old, now))
		return;
	pack_settings(t, now);
	t->is_on = true;
	t->are_settings_due = true;
	telemetry_log(LOG_INFO, "exporting to %s", now->endpoint);
	if (t->fd >= 0)
		outlet_flush(t);
	else if (!ev_is_active(&t->respawn) && !t->child.pid)
		outlet_start(t);
}

void
telemetry_configure(struct telemetry *t, const struct config *config)
{
	struct config *old = t->config;
	const struct config_telemetry *now = &config->telemetry;
	struct tracer *tracer = &t->gateway->workers.tracer;
	bool is_on = now->endpoint && *now->endpoint;

	tracer_configure(tracer, is_on && now->traces, now->sampling,
		(enum tracer_follow)now->follow);
	tracer->records.is_on = is_on;
	lines_configure(t, is_on && now->logs);
	pages_configure(t, is_on && now->metrics ? now->interval_ms : 0);
	if (is_on)
		turn_on(t, old ? &old->telemetry : NULL, now);
	else
		turn_off(t);
	t->config = config_ref((struct config *)(uintptr_t)config);
	config_unref(old);
}

/* ---- life ---- */

struct telemetry *
telemetry_create(struct gateway *g, const struct config *config)
{
	struct telemetry *t = memory_alloc(sizeof(*t));
	struct records *records = &g->workers.tracer.records;

	t->gateway = g;
	t->fd = -1;
	t->pause_s = TELEMETRY_PAUSE_MIN_S;
	t->program = helper_program(g->worker_program, TELEMETRY_PROGRAM,
		"supervisor/telemetry/export");
	ev_timer_init(&t->flush, on_flush, 0, 0);
	g->telemetry = t;
	records->on_first = on_first;
	records->on_many = on_many;
	telemetry_configure(t, config);
	return t;
}

void
telemetry_destroy(struct telemetry *t)
{
	if (!t)
		return;
	lines_configure(t, false);
	pages_configure(t, 0);
	outlet_finish(t);
	outlet_stop(t);
	ev_timer_stop(t->gateway->loop, &t->flush);
	tracer_finish(&t->gateway->workers.tracer);
	t->gateway->telemetry = NULL;
	buffer_finish(&t->settings);
	buffer_finish(&t->frame);
	buffer_finish(&t->in);
	config_unref(t->config);
	free(t->program);
	free(t);
}
