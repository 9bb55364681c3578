/* stream: the bytes of a long answer, in chunks while there is credit, and the
 * plugin's callbacks about the other side. */
#include "worker/request.h"

#define CHUNK_BYTES (256 * 1024) /* so that short answers get between */

static void
stream_chunk(struct sup_req *req, struct bytes bytes, bool more)
{
	msgpack_packer *out = link_begin(req->plugin->link);

	codec_notification(out, MESSAGE_CHUNK, 3);
	msgpack_pack_uint32(out, req->id);
	codec_bin(out, bytes);
	if (more)
		msgpack_pack_true(out);
	else
		msgpack_pack_false(out);
	link_end(req->plugin->link);
}

/* An end without bytes: nothing was left to send, or the request was
 * cancelled. */
static void
stream_last(struct sup_req *req)
{
	if (req->head_sent) {
		stream_chunk(req, BYTES(""), false);
		request_finish(req);
	} else {
		request_answer_error(req, WIRE_CANCELLED, "cancelled");
	}
}

/* Sends as much of bytes as credit allows and returns how much. If that is
 * all of them and the answer ends with them, so does the request. */
static size_t
stream_send(struct sup_req *req, struct bytes bytes, bool ending)
{
	size_t sent = 0, size;
	bool more = true;

	while (sent < bytes.length && req->credit > 0) {
		size = bytes.length - sent;
		if (size > CHUNK_BYTES)
			size = CHUNK_BYTES;
		if ((int64_t)size > req->credit)
			size = (size_t)req->credit;
		more = !ending || sent + size < bytes.length;
		stream_chunk(req, (struct bytes){bytes.at + sent, size}, more);
		sent += size;
		req->credit -= (int64_t)size;
	}
	if (!more)
		request_finish(req);
	return sent;
}

void
request_pump(struct sup_req *req)
{
	bool ending = req->state == REQUEST_FLUSHING;
	size_t sent, size;

	if (req->cancelled)
		buffer_clear(&req->queue);
	size = buffer_length(&req->queue);
	if (!size && ending) {
		stream_last(req);
	} else if (size) {
		sent = stream_send(req,
			(struct bytes){
				(const char *)buffer_bytes(&req->queue), size},
			ending);
		if (!ending || sent < size)
			buffer_consume(&req->queue, sent);
	}
}

void
request_flush(struct sup_req *req)
{
	req->state = REQUEST_FLUSHING;
	req->head_sent = true;
	req->credit = (int64_t)req->plugin->credit_bytes;
	request_pump(req);
}

/* Only what has to wait for credit is copied. */
int64_t
sup_chunk(struct sup_req *req, const void *body, size_t bytes, bool more)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(body || !bytes, "body");

	struct bytes piece = {body, bytes};
	int64_t left = -1;
	size_t sent = 0;

	request_expect(req, REQUEST_STREAMING);
	if (!more)
		req->state = REQUEST_FLUSHING;
	if (!req->cancelled) {
		if (bytes && !buffer_length(&req->queue))
			sent = stream_send(req, piece, !more);
		if (!more && bytes && sent == bytes)
			return 0; /* and the request is done */
		buffer_append(&req->queue, piece.at + sent, bytes - sent);
		left = buffer_length(&req->queue) ? 0 : req->credit;
	}
	if (!more)
		request_pump(req);
	return left;
}

void
request_give_up(struct sup_req *req, const char *why)
{
	struct link *link = req->plugin->link;
	msgpack_packer *out;

	if (req->cancelled) {
		stream_last(req);
		return;
	}
	sup_log(req->plugin, SUP_WARN, "abandoned the answer to %s: %s",
		sup_req_path(req), why);
	out = link_begin(link);
	codec_notification(out, MESSAGE_CANCEL, 1);
	msgpack_pack_uint32(out, req->id);
	link_end(link);
	request_finish(req);
}

void
sup_on_writable(struct sup_req *req, sup_handler *handler, void *user)
{
	HOST_NEEDS(req, "req");
	req->on_writable = handler;
	req->on_writable_user = user;
}

bool
sup_req_is_cancelled(const struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	return req->cancelled;
}

void
sup_on_cancel(struct sup_req *req, sup_handler *handler, void *user)
{
	HOST_NEEDS(req, "req");
	req->on_cancel = handler;
	req->on_cancel_user = user;
}
