/* worker_messages: handles a worker's messages, and checks them against its
 * state. A worker that breaks the protocol goes down; no other is affected. */
#include <string.h>

#include "proto/launch.h"
#include "proto/util/memory.h"
#include "proto/util/utf8.h"
#include "proto/value.h"
#include "supervisor/plugin/worker_private.h"

static struct peer *
peer_of(struct worker *w)
{
	return &w->private->peer;
}

static void
refuse(struct worker *w, uint32_t id, enum wire_error code, const char *text)
{
	codec_error(peer_begin(peer_of(w)), id, code, text);
	worker_end_message(w);
}

static void
answer_nil(struct worker *w, uint32_t id)
{
	msgpack_packer *packer = peer_begin(peer_of(w));

	codec_result(packer, id);
	msgpack_pack_nil(packer);
	worker_end_message(w);
}

/* Answers with an error and takes the worker down; closing flushes the answer.
 */
static void
refuse_and_fail(
	struct worker *w, uint32_t id, enum wire_error code, const char *text)
{
	refuse(w, id, code, text);
	worker_fail(w, "%s", text);
}

/* Checks a worker's version or SDK, which is shown in logs, metrics, the store
 * and terminals. */
static int
check_own_word(const char *what, struct bytes text, struct error *err)
{
	if (text.length <= WORKER_WORD_MAX &&
		utf8_is_clean(text.at, text.length, false))
		return 0;
	return error_set(err,
		"the worker's %s must be UTF-8 text of at most %d bytes "
		"without control characters",
		what, WORKER_WORD_MAX);
}

/* ---- hello ---- */

static void
pack_limit(msgpack_packer *packer, const char *name, uint64_t value)
{
	codec_text(packer, name);
	msgpack_pack_uint64(packer, value);
}

static void
pack_limits(struct worker *w, msgpack_packer *packer)
{
	uint64_t body = w->private->workers->body_limit;

	msgpack_pack_map(packer, body ? 5 : 4);
	pack_limit(packer, LAUNCH_LIMIT_CREDIT, WIRE_CREDIT_BYTES);
	pack_limit(packer, LAUNCH_LIMIT_IN_FLIGHT,
		w->config->limits.max_in_flight);
	pack_limit(packer, LAUNCH_LIMIT_MESSAGE, WIRE_MESSAGE_MAX);
	pack_limit(packer, LAUNCH_LIMIT_INLINE_BODY, WIRE_INLINE_BODY);
	if (body)
		pack_limit(packer, LAUNCH_LIMIT_BODY, body);
}

void
worker_send_limits(struct worker *w)
{
	msgpack_packer *packer;

	/* before hello this is unneeded: its answer has the limits */
	if (w->state < WORKER_INITIALISING || w->state >= WORKER_STOPPING)
		return;
	packer = peer_begin(peer_of(w));
	codec_notification(packer, MESSAGE_LIMITS, 1);
	pack_limits(w, packer);
	worker_end_message(w);
}

static void
answer_hello(struct worker *w, uint32_t id)
{
	msgpack_packer *packer = peer_begin(peer_of(w));

	codec_result(packer, id);
	msgpack_pack_array(packer, 4);
	codec_text(packer, w->plugin_id);
	msgpack_pack_uint32(packer, w->generation);
	if (w->settings)
		value_pack(packer, w->settings);
	else
		msgpack_pack_map(packer, 0);
	pack_limits(w, packer);
	if (worker_end_message(w) < 0)
		worker_fail(w,
			"the settings are too large for a message (%d bytes)",
			WIRE_MESSAGE_MAX);
}

static void
hello(struct worker *w, const struct message *m)
{
	uint64_t protocol = m->params[0].via.u64;
	struct bytes nonce = codec_bytes(&m->params[1]);
	struct bytes sdk = codec_bytes(&m->params[2]);
	struct error err;

	if (w->state != WORKER_STARTING) {
		worker_fail(w, "the worker said hello twice");
	} else if (protocol != PROTOCOL_VERSION) {
		error_set(&err,
			"the worker speaks protocol %llu, supd speaks %d",
			(unsigned long long)protocol, PROTOCOL_VERSION);
		refuse_and_fail(w, m->id, WIRE_VERSION, err.text);
	} else if (!bytes_equal(nonce, bytes_of(w->private->nonce))) {
		refuse_and_fail(w, m->id, WIRE_DENIED,
			"the nonce of the worker's hello is wrong");
	} else if (check_own_word("sdk", sdk, &err) < 0) {
		refuse_and_fail(w, m->id, WIRE_BAD_MESSAGE, err.text);
	} else {
		w->sdk = memory_copy_bytes(sdk.at, sdk.length);
		worker_step(w, WORKER_EVENT_HELLO, NULL);
		answer_hello(w, m->id);
		if (w->state == WORKER_INITIALISING && w->ops->on_hello)
			w->ops->on_hello(w);
	}
}

/* ---- ready ---- */

static void
ready(struct worker *w, const struct message *m)
{
	struct bytes version = codec_bytes(&m->params[0]);
	struct error err = {.text = ""};

	if (w->state != WORKER_INITIALISING) {
		worker_fail(w, "the worker said ready twice");
		return;
	}
	if (check_own_word("version", version, &err) < 0) {
		refuse_and_fail(w, m->id, WIRE_BAD_MESSAGE, err.text);
		return;
	}
	if (registration_set_read(&w->registrations, &m->params[1], &err) < 0) {
		error_prefix(&err, "the worker's registrations are wrong: ");
		refuse_and_fail(w, m->id, WIRE_BAD_MESSAGE, err.text);
		return;
	}
	if (!w->registrations.count) {
		refuse_and_fail(w, m->id, WIRE_BAD_MESSAGE,
			"the worker registers nothing");
		return;
	}
	w->version = memory_copy_bytes(version.at, version.length);
	worker_step(w, WORKER_EVENT_DECLARED, NULL);
	if (w->ops->on_declared(w, &err) < 0) {
		refuse_and_fail(w, m->id, WIRE_CONFLICT, err.text);
		return;
	}
	if (w->state != WORKER_CHECKING)
		return;
	answer_nil(w, m->id);
	proof_begin(w);
}

/* ---- the others ---- */

static void
log_message(struct worker *w, const struct message *m)
{
	struct bytes name = codec_bytes(&m->params[0]);
	enum log_level level = LOG_INFO;
	char text[16] = "";

	if (name.length < sizeof(text))
		memcpy(text, name.at, name.length);
	log_level_parse(text, &level);
	capture_log(&w->private->capture, level, codec_bytes(&m->params[1]));
	worker_captured(w);
}

static void
refuse_oversized(struct worker *w, const struct message *m)
{
	struct error err;

	error_set(&err, "a request must not have more than %d values",
		WIRE_VALUES_MAX);
	if (w->state == WORKER_INITIALISING) /* it was `ready` */
		refuse_and_fail(w, m->id, WIRE_TOO_LARGE, err.text);
	else
		refuse(w, m->id, WIRE_TOO_LARGE, err.text);
}

static void
on_request(struct worker *w, const struct message *m)
{
	switch (m->name) {
	case MESSAGE_HELLO:
		hello(w, m);
		break;
	case MESSAGE_READY:
		ready(w, m);
		break;
	case MESSAGE_CALL:
		if (w->ops->on_call)
			w->ops->on_call(w, m);
		else
			refuse(w, m->id, WIRE_NOT_FOUND,
				"calls are not supported here");
		break;
	case MESSAGE_CHANNEL_MESSAGE:
		if (w->ops->on_channel)
			w->ops->on_channel(w, m);
		else
			refuse(w, m->id, WIRE_NOT_FOUND,
				"channels are not supported here");
		break;
	case MESSAGE_OFFER:
		if (w->ops->on_offer)
			w->ops->on_offer(w, m);
		else
			refuse(w, m->id, WIRE_NOT_FOUND,
				"offers are not supported here");
		break;
	default:
		if (m->oversized)
			refuse_oversized(w, m);
		else
			refuse(w, m->id, WIRE_NOT_FOUND, "unknown request");
	}
}

static void
on_notification(struct worker *w, const struct message *m)
{
	switch (m->name) {
	case MESSAGE_CHUNK:
		flight_chunk(w, m);
		break;
	case MESSAGE_CLI_OUTPUT:
		flight_output(w, m);
		break;
	case MESSAGE_CREDIT:
		flight_credit(w, m);
		break;
	case MESSAGE_CANCEL:
		flight_give_up(w, m);
		break;
	case MESSAGE_DRAINED:
		drain_came(w);
		break;
	case MESSAGE_LOG:
		log_message(w, m);
		break;
	case MESSAGE_WS_MESSAGE:
	case MESSAGE_WS_CLOSE:
		if (w->ops->on_conn)
			w->ops->on_conn(w, m);
		break;
	case MESSAGE_EMIT:
		if (w->ops->on_emit)
			w->ops->on_emit(w, m);
		break;
	case MESSAGE_SERVICE_STATUS:
	case MESSAGE_CHANNEL_STATUS:
		if (w->ops->on_status)
			w->ops->on_status(w, m);
		break;
	default: /* notifications of later versions */
		break;
	}
}

/* Whether a known message has the wrong direction or form. */
static bool
is_wrong(const struct message *m)
{
	const struct message_row *row;

	if (m->kind == MESSAGE_RESPONSE || m->name == MESSAGE_UNKNOWN)
		return false;
	row = &message_rows[m->name];
	return row->kind != m->kind || !(row->direction & MESSAGE_TO_SUPD);
}

void
worker_on_message(struct peer *peer, const struct message *m)
{
	struct worker *w = peer->owner;
	bool is_hello = m->kind == MESSAGE_REQUEST && m->name == MESSAGE_HELLO;

	if (w->state >= WORKER_STOPPING)
		return;
	w->private->heard = true;
	if (w->state == WORKER_STARTING && !is_hello)
		worker_fail(w, "the worker's first message is not hello");
	else if (is_wrong(m))
		worker_fail(w, "the worker sent `%.*s`, which it may not",
			(int)(m->method.length < 64 ? m->method.length : 64),
			m->method.at);
	else if (m->kind == MESSAGE_RESPONSE)
		flight_response(w, m);
	else if (m->kind == MESSAGE_REQUEST)
		on_request(w, m);
	else
		on_notification(w, m);
}

/* ---- answers to `call` ---- */

static msgpack_packer *
begin_result(struct worker *w, uint32_t id)
{
	msgpack_packer *packer = peer_begin(peer_of(w));

	codec_result(packer, id);
	return packer;
}

static void
end_result(struct worker *w, uint32_t id)
{
	if (worker_end_message(w) < 0)
		refuse(w, id, WIRE_FAILED, "the result is larger than 1 MiB");
}

void
worker_answer_call(struct worker *w, uint32_t id, const json_t *result)
{
	if (w->state >= WORKER_STOPPING)
		return;
	value_pack(begin_result(w, id), result);
	end_result(w, id);
}

void
worker_answer_packed(struct worker *w, uint32_t id, struct bytes result)
{
	if (w->state >= WORKER_STOPPING)
		return;
	codec_raw(begin_result(w, id), result);
	end_result(w, id);
}

void
worker_refuse_call(
	struct worker *w, uint32_t id, enum wire_error code, const char *text)
{
	if (w->state < WORKER_STOPPING)
		refuse(w, id, code, text);
}
