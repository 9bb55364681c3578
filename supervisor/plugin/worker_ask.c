/* worker_ask: supd's own requests to a proven worker: new settings, and export
 * and import of state. */
#include <malloc.h>

#include "proto/value.h"
#include "proto/util/text.h"
#include "supervisor/plugin/worker_private.h"

#define TRIM_BYTES (1u << 20)

struct worker *
ask_worker(struct request *r)
{
	return container_of(r, struct worker_private, check)->worker;
}

/* The allocator would keep large pieces for a next time that may never come, so
 * trims. */
void
state_blob_finish(struct state_blob *b)
{
	bool is_large = b->bytes.capacity > TRIM_BYTES;

	buffer_finish(&b->bytes);
	*b = (struct state_blob){0};
	if (is_large)
		malloc_trim(0);
}

void
ask_clear(struct worker *w)
{
	struct worker_private *p = w->private;

	state_blob_finish(&p->ask.blob);
	json_decref(p->ask.settings);
	p->ask.settings = NULL;
	p->ask.state = NULL;
	p->quiet_awaited = false;
}

/* Reports the outcome; err NULL: success. */
void
ask_report(struct worker *w, struct state_blob *state, const struct error *err)
{
	struct state_blob taken = {0};

	if (state) {
		taken = *state;
		w->private->ask.blob = (struct state_blob){0};
	}
	ask_clear(w);
	w->ops->on_asked(w, state ? &taken : NULL, err);
	state_blob_finish(&taken);
}

void
ask_report_error(struct worker *w, const struct message *m)
{
	char text[256];
	struct error err;

	codec_read_error(m->error, text, sizeof(text));
	error_set(&err, "%s", text);
	ask_report(w, NULL, &err);
}

void
ask_fail(struct request *r, enum request_failure why, const char *text)
{
	struct worker *w = ask_worker(r);
	struct error err;

	error_set(&err, "%s", text ? text : request_failures[why].text);
	if (w->private->ask.is_sending)
		w->private->ask.error = err;
	else
		ask_report(w, NULL, &err);
}

int
ask_send(struct worker *w, const struct request_ops *ops, struct error *err)
{
	struct worker_private *p = w->private;
	struct request *r = &p->check;

	if (r->id || w->state >= WORKER_STOPPING)
		return error_set(err, "the worker is busy or going down");
	r->ops = ops;
	r->plugin = w->plugin;
	r->answered = r->cancelled = false;
	r->sends = 0;
	if (!request_table_add(p->workers->requests, r))
		return error_set(err, "too many requests are in progress");
	p->ask.is_sending = true;
	worker_send(w, r);
	p->ask.is_sending = false;
	if (r->id)
		return 0;
	*err = p->ask.error;
	return -1;
}

void
worker_ask_end(struct worker *w)
{
	if (w->state >= WORKER_READY && w->private->check.id)
		worker_cancel(w, &w->private->check);
	ask_clear(w);
}

bool
worker_await_quiet(struct worker *w, uint32_t owed)
{
	w->private->quiet_owed = owed;
	w->private->quiet_awaited = !flight_is_quiet(w);
	return !w->private->quiet_awaited;
}

/* ---- configure ---- */

static void
configure_encode(struct request *r, msgpack_packer *packer, uint32_t wire_id)
{
	codec_request(packer, wire_id, MESSAGE_CONFIGURE, 1);
	value_pack(packer, ask_worker(r)->private->ask.settings);
}

static bool
configure_answer(struct request *r, const struct message *m)
{
	struct worker *w = ask_worker(r);

	if (m->error) {
		ask_report_error(w, m);
		return false;
	}
	json_decref(w->settings);
	w->settings = json_incref(w->private->ask.settings);
	ask_report(w, NULL, NULL);
	return false;
}

static void
configure_describe(struct request *r, char *out, size_t size)
{
	(void)r;
	text_format(out, size, "new settings");
}

static const struct request_ops configure_ops = {
	.name = "configure",
	.encode = configure_encode,
	.answer = configure_answer,
	.fail = ask_fail,
	.describe = configure_describe,
};

int
worker_ask_configure(struct worker *w, json_t *settings, struct error *err)
{
	w->private->ask.settings = json_incref(settings);
	if (ask_send(w, &configure_ops, err) == 0)
		return 0;
	ask_clear(w);
	return -1;
}
