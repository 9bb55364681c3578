/* call: events and calls of the plugin to the gateway and to its own thread:
 * sup_emit(), sup_call() with its answers, and sup_post(). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "worker/channel.h"
#include "worker/request.h"

struct call {
	struct list node;
	uint32_t id;
	uint32_t request; /* made for it, or 0 */
	sup_result *done;
	struct offer_set *set; /* of an offer: a reference */
	sup_offered *offered;  /* instead of done */
	void *user;
	bool is_of_channel; /* for channel_answered() */
};

struct post {
	struct list node;
	void (*fn)(void *user);
	void *user;
};

/* JSON text as one of a message's params: 0 with the value, which is NULL for
 * no text, or -1, and the reason is on stderr: malformed, or nested deeper
 * than supd accepts. */
static int
call_read(struct sup *p, const char *function, const char *json,
	json_t **value_out)
{
	struct error *err = &p->json_error;

	*value_out = NULL;
	if (!json)
		return 0;
	*value_out = json_text_read(bytes_of(json), NULL, err);
	if (*value_out && value_is_deeper(*value_out, WIRE_DEPTH_MAX - 2)) {
		json_decref(*value_out);
		*value_out = NULL;
		error_set(err, "nested deeper than %d", WIRE_DEPTH_MAX - 2);
	}
	if (*value_out)
		return 0;
	host_say("%s: %s", function, err->text);
	return -1;
}

/* The request is the last param, and may be left out. */
static void
call_pack_request(msgpack_packer *out, uint32_t request)
{
	if (request)
		msgpack_pack_uint32(out, request);
}

static int
call_begin(struct sup *p, uint32_t request, const char *kind, const char *name,
	const char *args_json, uint32_t timeout_ms, sup_result *done,
	void *user)
{
	msgpack_packer *out;
	struct call *call;
	json_t *args;

	if (call_read(p, "sup_call", args_json, &args))
		return -1;
	call = memory_alloc(sizeof(*call));
	*call = (struct call){
		.id = p->next_call_id++,
		.request = request,
		.done = done,
		.user = user,
	};
	list_append(&p->calls, &call->node);
	out = link_begin(p->link);
	codec_request(out, call->id, MESSAGE_CALL, request ? 5 : 4);
	codec_text(out, kind);
	codec_text(out, name);
	value_pack(out, args);
	msgpack_pack_uint64(out, timeout_ms);
	call_pack_request(out, request);
	json_decref(args);
	if (!link_end(p->link))
		return 0;
	list_remove(&call->node);
	free(call);
	return -1;
}

int
sup_call(struct sup *p, const char *kind, const char *name,
	const char *args_json, uint32_t timeout_ms, sup_result *done,
	void *user)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(kind, "kind");
	HOST_NEEDS(name, "name");
	HOST_NEEDS(done, "done");

	return call_begin(
		p, p->serving, kind, name, args_json, timeout_ms, done, user);
}

int
sup_req_call(struct sup_req *req, const char *kind, const char *name,
	const char *args_json, uint32_t timeout_ms, sup_result *done,
	void *user)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(kind, "kind");
	HOST_NEEDS(name, "name");
	HOST_NEEDS(done, "done");

	return call_begin(req->plugin, req->id, kind, name, args_json,
		timeout_ms, done, user);
}

static int
call_emit(struct sup *p, uint32_t request, const char *event, const char *json)
{
	msgpack_packer *out;
	json_t *value;

	if (call_read(p, "sup_emit", json, &value))
		return -1;
	out = link_begin(p->link);
	codec_notification(out, MESSAGE_EMIT, request ? 3 : 2);
	codec_text(out, event);
	value_pack(out, value);
	call_pack_request(out, request);
	json_decref(value);
	return link_end(p->link);
}

int
sup_emit(struct sup *p, const char *event, const char *json)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(event, "event");

	return call_emit(p, p->serving, event, json);
}

int
sup_req_emit(struct sup_req *req, const char *event, const char *json)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(event, "event");

	return call_emit(req->plugin, req->id, event, json);
}

uint32_t
call_for_offer(
	struct sup *p, struct offer_set *set, sup_offered *done, void *user)
{
	struct call *call = memory_alloc(sizeof(*call));

	*call = (struct call){
		.id = p->next_call_id++,
		.set = set,
		.offered = done,
		.user = user,
	};
	list_append(&p->calls, &call->node);
	return call->id;
}

uint32_t
call_for_channel(struct sup *p, void *user)
{
	struct call *call = memory_alloc(sizeof(*call));

	*call = (struct call){
		.id = p->next_call_id++,
		.user = user,
		.is_of_channel = true,
	};
	list_append(&p->calls, &call->node);
	return call->id;
}

void
call_forget(struct sup *p, uint32_t id)
{
	struct call *call = container_of(p->calls.previous, struct call, node);

	assert(call->id == id);
	list_remove(&call->node);
	free(call);
}

static void
call_finish(struct sup *p, struct call *call, const struct message *m)
{
	struct error err = {.text = ""};
	char text[512], *result = NULL;
	uint32_t before = p->serving;
	json_t *value = NULL;

	if (m->error) {
		codec_read_error(m->error, text, sizeof(text));
	} else {
		value = value_from(m->result, &err);
		if (value)
			result = json_text(value, JSON_TEXT_COMPACT);
		else
			memcpy(text, err.text, sizeof(text));
	}
	p->serving = request_is_open(p, call->request) ? call->request : 0;
	call->done(p, result ? NULL : text, result, call->user);
	p->serving = before;
	free(result);
	json_decref(value);
	free(call);
}

bool
call_answered(struct sup *p, const struct message *m)
{
	list_for_each (node, &p->calls) {
		struct call *call = container_of(node, struct call, node);

		if (call->id != m->id)
			continue;
		list_remove(&call->node);
		if (call->set) {
			offer_answered(
				p, call->set, m, call->offered, call->user);
			free(call);
		} else if (call->is_of_channel) {
			channel_answered(p, m, call->user);
			free(call);
		} else {
			call_finish(p, call, m);
		}
		return true;
	}
	return false;
}

/* ---- from other threads ---- */

static void
post_run(struct ev_loop *loop, ev_async *w, int events)
{
	struct sup *p = container_of(w, struct sup, posted);
	struct post *post;

	for (;;) {
		pthread_mutex_lock(&p->post_lock);
		post = list_is_empty(&p->posts)
			       ? NULL
			       : container_of(p->posts.next, struct post, node);
		if (post)
			list_remove(&post->node);
		pthread_mutex_unlock(&p->post_lock);
		if (!post)
			return;
		post->fn(post->user);
		free(post);
	}
}

void
post_init(struct sup *p)
{
	list_init(&p->posts);
	pthread_mutex_init(&p->post_lock, NULL);
	ev_async_init(&p->posted, post_run);
	ev_async_start(p->loop, &p->posted);
}

void
sup_post(struct sup *p, void (*fn)(void *user), void *user)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(fn, "fn");

	struct post *post = memory_alloc(sizeof(*post));

	post->fn = fn;
	post->user = user;
	pthread_mutex_lock(&p->post_lock);
	list_append(&p->posts, &post->node);
	pthread_mutex_unlock(&p->post_lock);
	ev_async_send(p->loop, &p->posted);
}
