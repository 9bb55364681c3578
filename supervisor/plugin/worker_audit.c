/* worker_audit: asks a worker in CHECKING, by a `probe` for each of its
 * registrations, whether it would find the handler. All probes are sent at once
 * and no handler runs. A registration that the worker does not know fails the
 * proof. A worker whose SDK is older than `probe` passes. */
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/plugin/worker_private.h"

/* `probe` with this suffix is a request that no worker knows. */
#define NOBODY_KNOWS ".none"

struct audit_item {
	struct request request;
	struct worker *worker;
};

/* items[count] is the control question: see judge(). */
struct audit {
	uint32_t count, unanswered;
	uint32_t refused; /* those answered with an error */
	uint32_t first;	  /* of them: which, and its error */
	enum wire_error code;
	char text[256];
	bool is_over;
	struct audit_item items[];
};

static struct audit_item *
item_of(struct request *r)
{
	return container_of(r, struct audit_item, request);
}

static const struct registration *
registration_of(struct request *r)
{
	return &item_of(r)->worker->registrations.items[r->registration];
}

static void
audit_fail(struct request *r, enum request_failure why, const char *text)
{
	worker_fail(item_of(r)->worker,
		"a registration could not be probed: %s",
		text ? text : request_failures[why].text);
}

static void
audit_describe(struct request *r, char *out, size_t size)
{
	char *label = registration_label(registration_of(r));

	text_format(out, size, "the probe of %s", label);
	free(label);
}

/* ---- the end ---- */

static void
passed(struct worker *w)
{
	w->private->audit->is_over = true;
	proof_audited(w);
}

static void
refuse(struct worker *w)
{
	const struct audit *a = w->private->audit;
	char *label = registration_label(&w->registrations.items[a->first]);
	char more[48] = "";

	if (a->refused > 1)
		text_format(more, sizeof(more), " (and %u more like it)",
			a->refused - 1);
	if (a->code == WIRE_NOT_FOUND)
		worker_fail(w,
			"the worker has registered %s but does not "
			"know it: %s%s",
			label, a->text, more);
	else
		worker_fail(w, "the probe of %s failed: %s%s", label, a->text,
			more);
	free(label);
}

/* ---- the control question ---- */

static void
control_encode(struct request *r, msgpack_packer *packer, uint32_t wire_id)
{
	(void)r;
	msgpack_pack_array(packer, 4);
	msgpack_pack_uint8(packer, MESSAGE_REQUEST);
	msgpack_pack_uint32(packer, wire_id);
	codec_text(packer, "probe" NOBODY_KNOWS);
	msgpack_pack_array(packer, 0);
}

/* Takes NOBODY_KNOWS out of an answer that names the request. */
static void
cut_name(char *text)
{
	char *at = strstr(text, NOBODY_KNOWS);
	size_t length = strlen(NOBODY_KNOWS);

	if (at)
		memmove(at, at + length, strlen(at + length) + 1);
}

static bool
control_answer(struct request *r, const struct message *m)
{
	struct worker *w = item_of(r)->worker;
	const struct audit *a = w->private->audit;
	struct log_subject subject = {.plugin = w->plugin_id,
		.generation = w->generation,
		.pid = w->pid};
	enum wire_error code = WIRE_FAILED;
	char text[sizeof(a->text)] = "";

	if (m->error)
		code = codec_read_error(m->error, text, sizeof(text));
	cut_name(text);
	if (!m->error || code != a->code || strcmp(text, a->text) != 0) {
		refuse(w);
		return false;
	}
	log_write(LOG_INFO, &subject,
		"its SDK (%s) does not know probe, so its registrations were "
		"not probed",
		w->sdk);
	passed(w);
	return false;
}

static const struct request_ops control_ops = {
	.name = "probe",
	.encode = control_encode,
	.answer = control_answer,
	.fail = audit_fail,
};

/* ---- the questions ---- */

static void
probe_encode(struct request *r, msgpack_packer *packer, uint32_t wire_id)
{
	const struct registration *said = registration_of(r);

	codec_request(packer, wire_id, MESSAGE_PROBE, 3);
	msgpack_pack_uint32(packer, r->registration);
	codec_text(packer, registration_kinds[said->kind]->wire);
	codec_text(packer, said->name);
}

static int
send_item(struct worker *w, uint32_t i, const struct request_ops *ops)
{
	struct audit_item *item = &w->private->audit->items[i];
	struct request *r = &item->request;

	item->worker = w;
	*r = (struct request){
		.ops = ops, .plugin = w->plugin, .registration = i};
	list_init(&r->node);
	wheel_timer_init(&r->deadline, NULL);
	if (!request_table_add(w->private->workers->requests, r)) {
		worker_fail(w, "its registrations could not be probed: too "
			       "many requests");
		return -1;
	}
	worker_send(w, r); /* which may fail, and takes the worker down then */
	return w->state == WORKER_CHECKING ? 0 : -1;
}

/* All are answered. If all were refused, the worker may answer every unknown
 * request in that way: a request that no worker knows is sent for comparison.
 */
static void
judge(struct worker *w)
{
	struct audit *a = w->private->audit;

	if (!a->refused)
		passed(w);
	else if (a->refused < a->count ||
		 (a->code != WIRE_NOT_FOUND && a->code != WIRE_BAD_MESSAGE))
		refuse(w);
	else
		send_item(w, a->count, &control_ops);
}

static bool
probe_answer(struct request *r, const struct message *m)
{
	struct worker *w = item_of(r)->worker;
	struct audit *a = w->private->audit;

	if (m->error && !a->refused++) {
		a->first = r->registration;
		a->code = codec_read_error(m->error, a->text, sizeof(a->text));
	}
	if (!--a->unanswered)
		judge(w);
	return false;
}

static const struct request_ops probe_ops = {
	.name = "probe",
	.encode = probe_encode,
	.answer = probe_answer,
	.fail = audit_fail,
	.describe = audit_describe,
};

void
audit_begin(struct worker *w)
{
	uint32_t count = w->registrations.count;
	struct audit *a = memory_alloc(
		sizeof(*a) + (count + (size_t)1) * sizeof(a->items[0]));

	a->count = a->unanswered = count;
	w->private->audit = a;
	for (uint32_t i = 0; i < count; i++)
		if (send_item(w, i, &probe_ops) < 0)
			return;
}

bool
audit_is_over(const struct worker *w)
{
	return w->private->audit->is_over;
}

bool
audit_has(const struct request *r)
{
	return r->ops == &probe_ops || r->ops == &control_ops;
}

bool
audit_describe_unanswered(const struct worker *w, char *out, size_t size)
{
	struct audit *a = w->private->audit;
	size_t length;

	for (uint32_t i = 0; a && i < a->count; i++) {
		if (!a->items[i].request.id)
			continue;
		audit_describe(&a->items[i].request, out, size);
		length = strlen(out);
		if (a->unanswered > 1)
			text_format(out + length, size - length,
				" (and %u more of its %u registrations)",
				a->unanswered - 1, a->count);
		return true;
	}
	return false;
}

void
audit_end(struct worker *w)
{
	struct audit *a = w->private->audit;

	for (uint32_t i = 0; a && i <= a->count; i++) {
		struct request *r = &a->items[i].request;

		if (!r->id)
			continue;
		request_table_remove(w->private->workers->requests, r);
		list_remove(&r->node);
		w->in_flight_count--;
	}
	free(a);
	w->private->audit = NULL;
}
