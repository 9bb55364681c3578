/* worker_proof: CHECKING: makes the health call, then sends each probe of the
 * manifest as a real request, one after the other, by the worker's own routes.
 * Meanwhile worker_audit.c asks about the registrations. */
#include <stdio.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/plugin/worker_private.h"
#include "supervisor/route/table.h"

static void next_check(struct worker *w);

static struct worker *
worker_of(struct request *r)
{
	return container_of(r, struct worker_private, check)->worker;
}

/* ---- one check: 0 is the health call, n is probe n - 1 ---- */

static const struct manifest_probe *
probe_of(const struct worker *w)
{
	uint32_t n = w->private->checks_done;

	return n ? &w->manifest->health.probes.items[n - 1] : NULL;
}

static void
passed(struct worker *w)
{
	w->private->checks_done++;
	next_check(w);
}

static void
check_fail(struct request *r, enum request_failure why, const char *text)
{
	worker_fail(worker_of(r), "a check could not be sent: %s", text);
}

/* ---- the health call ---- */

static void
health_encode(struct request *r, msgpack_packer *packer, uint32_t wire_id)
{
	codec_request(packer, wire_id, MESSAGE_HEALTH, 0);
}

static bool
health_answer(struct request *r, const struct message *m)
{
	struct worker *w = worker_of(r);
	char text[256];

	if (!m->error) {
		passed(w);
		return false;
	}
	codec_read_error(m->error, text, sizeof(text));
	worker_fail(w, "the health call failed: %s", text);
	return false;
}

static void
health_describe(struct request *r, char *out, size_t size)
{
	(void)r;
	text_format(out, size, "the health call");
}

static const struct request_ops health_ops = {
	.name = "health",
	.encode = health_encode,
	.answer = health_answer,
	.fail = check_fail,
	.describe = health_describe,
};

/* ---- probes ---- */

/* The target that a client would request, mount included. */
static char *
probe_target(const struct worker *w)
{
	const char *mount = w->config->mount ? w->config->mount : "";

	return memory_format("%s%s", mount, probe_of(w)->path);
}

static void
pack_params(msgpack_packer *packer, const struct route_match *match)
{
	msgpack_pack_map(packer, match->param_count);
	for (unsigned i = 0; i < match->param_count; i++) {
		codec_text(packer, match->params[i].name);
		codec_str(packer, match->params[i].value);
	}
}

static void
pack_header(msgpack_packer *packer, const char *name, const char *value)
{
	msgpack_pack_array(packer, 2);
	codec_text(packer, name);
	codec_bin(packer, bytes_of(value));
}

/* Finds the probe in the worker's own routes; match points into path. */
static bool
find_route(struct worker *w, struct bytes raw_path, struct path *path,
	struct route_match *match, struct error *err)
{
	struct bytes method = bytes_of(probe_of(w)->method);

	if (path_split(path, raw_path, err) < 0)
		return false;
	if (route_find_http(w->private->check_routes, method, path, match) ==
		ROUTE_FOUND)
		return true;
	error_set(err, "the worker does not register it");
	return false;
}

/* The time left for all checks, at least 1 ms, because 0 means no deadline. */
static uint64_t
left_ms(const struct worker *w)
{
	uint64_t due = w->private->deadline.due_ms, now = clock_ms();

	return due > now ? due - now : 1;
}

static void
probe_encode(struct request *r, msgpack_packer *packer, uint32_t wire_id)
{
	struct worker *w = worker_of(r);
	char *target = probe_target(w);
	struct bytes raw_path = {target, strcspn(target, "?")};
	const char *query = target + raw_path.length;
	struct route_match match;
	struct path path;

	find_route(w, raw_path, &path, &match,
		NULL); /* found before, so it cannot fail */
	codec_request(packer, wire_id, MESSAGE_HTTP, 10);
	msgpack_pack_uint32(packer, r->registration);
	codec_text(packer, probe_of(w)->method);
	codec_str(packer, raw_path);
	pack_params(packer, &match);
	codec_text(packer, *query ? query + 1 : "");
	msgpack_pack_array(packer, 2);
	pack_header(packer, "host", "localhost");
	pack_header(packer, "user-agent", "supd-probe");
	codec_bin(packer, BYTES(""));
	msgpack_pack_false(packer);
	codec_text(packer, "");
	msgpack_pack_uint64(packer, left_ms(w));
	free(target);
}

static bool
probe_answer(struct request *r, const struct message *m)
{
	struct worker *w = worker_of(r);
	const struct manifest_probe *probe = probe_of(w);
	const msgpack_object *o = m->result;
	char text[256];

	if (m->error) {
		codec_read_error(m->error, text, sizeof(text));
		worker_fail(w, "the probe %s failed: %s", probe->http, text);
	} else if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size < 4 ||
		   o->via.array.ptr[0].type !=
			   MSGPACK_OBJECT_POSITIVE_INTEGER ||
		   o->via.array.ptr[3].type != MSGPACK_OBJECT_BOOLEAN) {
		worker_fail(w, "the answer to the probe %s is malformed",
			probe->http);
	} else if (o->via.array.ptr[0].via.u64 != probe->expect) {
		worker_fail(w, "the probe %s was answered with %llu, not %u",
			probe->http,
			(unsigned long long)o->via.array.ptr[0].via.u64,
			probe->expect);
	} else if (o->via.array.ptr[3].via.boolean) {
		return true; /* wait for the chunks */
	} else {
		passed(w);
	}
	return false;
}

static void
probe_chunk(struct request *r, struct bytes piece, bool more)
{
	struct worker *w = worker_of(r);

	if (!more)
		passed(w);
	else if (piece.length)
		worker_send_credit(w, r, piece.length);
}

static void
probe_describe(struct request *r, char *out, size_t size)
{
	text_format(out, size, "the probe %s", probe_of(worker_of(r))->http);
}

static const struct request_ops probe_ops = {
	.answer_form = WIRE_ANSWER_HTTP,
	.encode = probe_encode,
	.answer = probe_answer,
	.chunk = probe_chunk,
	.fail = check_fail,
	.describe = probe_describe,
};

/* ---- one after the other ---- */

static void
send_check(
	struct worker *w, const struct request_ops *ops, uint32_t registration)
{
	struct worker_private *p = w->private;
	struct request *r = &p->check;

	r->ops = ops;
	r->plugin = w->plugin;
	r->registration = registration;
	r->answered = false;
	if (!request_table_add(p->workers->requests, r))
		worker_fail(w, "a check could not be sent: too many requests");
	else
		worker_send(w, r);
}

static void
send_probe(struct worker *w)
{
	char *target = probe_target(w);
	struct route_match match;
	struct path path;
	struct error err;
	bool found = find_route(w, (struct bytes){target, strcspn(target, "?")},
		&path, &match, &err);

	free(target);
	if (found)
		send_check(w, &probe_ops, match.registration);
	else
		worker_fail(w, "the probe %s failed: %s", probe_of(w)->http,
			err.text);
}

static void
proven(struct worker *w)
{
	proof_end(w);
	wheel_clear(w->private->workers->wheel, &w->private->deadline);
	worker_step(w, WORKER_EVENT_HEALTHY, NULL);
	w->ready_ms = clock_ms();
	ping_begin(w);
	worker_release_place(w);
	w->ops->on_proven(w);
}

static bool
checks_are_done(const struct worker *w)
{
	return w->private->checks_done > w->manifest->health.probes.count;
}

static void
next_check(struct worker *w)
{
	struct worker_private *p = w->private;

	if (!p->checks_done && !w->manifest->health.call)
		p->checks_done = 1;
	if (!p->checks_done)
		send_check(w, &health_ops, 0);
	else if (!checks_are_done(w))
		send_probe(w);
	else if (audit_is_over(w))
		proven(w);
}

void
proof_audited(struct worker *w)
{
	if (checks_are_done(w))
		proven(w);
}

void
proof_describe_awaited(struct worker *w, char *out, size_t size)
{
	struct request *r = &w->private->check;

	if (audit_describe_unanswered(w, out, size))
		return;
	if (r->id && r->ops->describe)
		r->ops->describe(r, out, size);
	else
		text_format(out, size, "a check");
}

void
proof_begin(struct worker *w)
{
	struct worker_private *p = w->private;
	struct route_edit *edit;
	struct error err;

	worker_set_deadline(
		w, clock_ms() + w->config->limits.health_timeout_ms);
	if (w->manifest->health.probes.count) {
		p->check_routes = route_table_create();
		edit = route_edit_prepare(p->check_routes, 0, &w->registrations,
			w->config->mount, w->config->namespace, NULL, NULL,
			&err);
		if (!edit) {
			worker_fail(w, "%s", err.text);
			return;
		}
		route_edit_commit(edit, w->id);
	}
	audit_begin(w);
	if (w->state == WORKER_CHECKING)
		next_check(w);
}

void
proof_end(struct worker *w)
{
	struct worker_private *p = w->private;

	if (p->check.id) {
		request_table_remove(p->workers->requests, &p->check);
		list_remove(&p->check.node);
		w->in_flight_count--;
	}
	audit_end(w);
	ask_clear(w);
	route_table_destroy(p->check_routes);
	p->check_routes = NULL;
}
