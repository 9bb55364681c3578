/* state: what supd asks of the plugin itself: to export and import what
 * outlives it, and to take new settings. What the blob means is the plugin's.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/util/sha256.h"
#include "proto/value.h"
#include "worker/request.h"
#include "worker/websocket.h"

static void
state_hash(struct bytes blob, char hex_out[SHA256_HEX_BYTES])
{
	unsigned char sum[SHA256_DIGEST_LENGTH];

	sha256_of(blob.at, blob.length, sum);
	sha256_hex(sum, hex_out);
}

void
sup_state(struct sup *p, uint32_t version, sup_handler *export_state,
	sup_handler *import_state, void *user)
{
	HOST_NEEDS(p, "p");
	p->state_version = version;
	p->export_state = export_state;
	p->import_state = import_state;
	p->state_user = user;
}

/* ---- export ---- */

void
state_take_export(struct sup_req *req)
{
	req->handler = req->plugin->export_state;
	req->user = req->plugin->state_user;
	if (req->handler)
		request_start(req);
	else
		request_answer_error(
			req, WIRE_NOT_FOUND, "the plugin exports no state");
}

/* The first piece goes with the head, the rest under credit. */
void
sup_reply_state(struct sup_req *req, const void *bytes, size_t size)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(bytes || !size, "bytes");

	struct link *link = req->plugin->link;
	struct bytes blob = {bytes, size};
	size_t first = size < WIRE_INLINE_BODY ? size : WIRE_INLINE_BODY;
	char hash[SHA256_HEX_BYTES];
	msgpack_packer *out;

	if (req->message != MESSAGE_EXPORT && req->message != MESSAGE_WS_MOVE)
		host_abort("sup_reply_state() can only answer an export or a "
			   "move");
	if (!request_is_wanted(req))
		return;
	if (req->message == MESSAGE_WS_MOVE) {
		websocket_moved(req, (struct bytes){bytes ? bytes : "", size});
		return;
	}
	if (size > SUP_STATE_MAX) {
		request_answer_error(
			req, WIRE_TOO_LARGE, "the state is larger than 16 MiB");
		return;
	}
	state_hash(blob, hash);
	out = link_begin(link);
	codec_result(out, req->id);
	msgpack_pack_array(out, 4);
	msgpack_pack_uint32(out, req->plugin->state_version);
	codec_bin(out, (struct bytes){bytes, first});
	if (first < size)
		msgpack_pack_true(out);
	else
		msgpack_pack_false(out);
	codec_text(out, hash);
	link_end(link);
	if (first == size) {
		request_finish(req);
		return;
	}
	buffer_append(&req->queue, blob.at + first, size - first);
	request_flush(req);
}

/* ---- import ---- */

void
state_take_import(struct sup_req *req, const struct message *m)
{
	const msgpack_object *version = &m->params[0];
	bool more = m->param_count > 2 && m->params[2].via.boolean;

	req->handler = req->plugin->import_state;
	req->user = req->plugin->state_user;
	if (!req->handler) {
		request_answer_error(
			req, WIRE_NOT_FOUND, "the plugin imports no state");
		return;
	}
	if (version->type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
		version->via.u64 > UINT32_MAX) {
		request_answer_error(req, WIRE_BAD_MESSAGE,
			"the state's version is out of range");
		return;
	}
	req->state_version = (uint32_t)version->via.u64;
	if (m->param_count > 3)
		req->texts[3] =
			arena_text(&req->arena, codec_bytes(&m->params[3]).at,
				codec_bytes(&m->params[3]).length);
	body_begin(req, codec_bytes(&m->params[1]), more);
}

void
state_start_import(struct sup_req *req)
{
	struct bytes blob = {req->body_at, req->body_bytes};
	const char *said = req->texts[3];
	char hash[SHA256_HEX_BYTES];

	state_hash(blob, hash);
	if (said && *said && strcmp(said, hash) != 0)
		request_answer_error(req, WIRE_BAD_MESSAGE,
			"the state is damaged: its SHA-256 is wrong");
	else
		request_start(req);
}

const void *
sup_req_state(struct sup_req *req, uint32_t *version_out, size_t *bytes_out)
{
	HOST_NEEDS(req, "req");
	if (req->message != MESSAGE_IMPORT)
		host_abort("sup_req_state() is for an import only");
	if (version_out)
		*version_out = req->state_version;
	if (bytes_out)
		*bytes_out = req->body_bytes;
	return req->body_at;
}

/* ---- configure ---- */

void
sup_on_configure(struct sup *p, sup_handler *handler, void *user)
{
	HOST_NEEDS(p, "p");
	p->configure = handler;
	p->configure_user = user;
}

void
state_take_configure(struct sup_req *req)
{
	req->handler = req->plugin->configure;
	req->user = req->plugin->configure_user;
	if (req->handler)
		request_start(req);
	else
		request_answer_error(req, WIRE_NOT_FOUND,
			"the plugin does not accept new settings while it "
			"runs");
}

void
state_configured(struct sup_req *req)
{
	struct sup *p = req->plugin;
	json_t *old = p->settings;

	p->settings = json_incref(request_args(req));
	json_decref(old);
	free(p->settings_json);
	p->settings_json = NULL;
}
