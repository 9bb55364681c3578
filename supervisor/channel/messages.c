/* messages: asks the store, and brings what is in memory in line. */
#include "supervisor/channel/messages.h"

#include <stdlib.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/channel/parts.h"

/* ---- views ---- */

static json_t *
text_of(struct bytes bytes)
{
	char *text = memory_copy_bytes(bytes.at, bytes.length);
	json_t *value = value_text(text);

	free(text);
	return value;
}

/* A dead letter's reason is text, a receipt is JSON. */
static json_t *
note_of(const struct stored_message *m)
{
	struct error err;
	json_t *value = m->outbound && m->note.length
				? json_text_read(m->note, NULL, &err)
				: NULL;

	if (value)
		return value;
	return m->note.length ? text_of(m->note) : json_null();
}

static json_t *
view_of(const struct stored_message *m)
{
	char at[TIME_TEXT_BYTES];

	return json_pack("{s:I,s:s,s:o,s:o,s:o,s:s,s:o,s:I,s:s,s:I}", "seq",
		(json_int_t)m->seq, "direction", m->outbound ? "out" : "in",
		"channel", text_of(m->channel), "id", text_of(m->id), "lane",
		text_of(m->lane), "state", stored_state_name(m->state), "note",
		note_of(m), "tries", (json_int_t)m->tries, "at",
		time_text(at, m->at_ms), "bytes", (json_int_t)m->body_bytes);
}

/* The message as it came, or what was to be sent; null: it has been removed to
 * save space. */
static json_t *
content_of(const struct stored_message *m)
{
	struct codec *codec = codec_create();
	struct error err;
	const msgpack_object *o =
		m->body.length
			? codec_decode_value(codec, (const uint8_t *)m->body.at,
				  m->body.length, &err)
			: NULL;
	json_t *value = o ? value_from(o, &err) : NULL;

	codec_destroy(codec);
	return value ? value : json_null();
}

/* ---- answers ---- */

static void
fail(struct messages_ask *a, const struct store_result *result)
{
	const struct stored_message *m =
		result->message_count ? result->messages : NULL;
	char text[160];

	switch (result->answer) {
	case STORE_NOT_FOUND:
		text_format(text, sizeof(text), "there is no message %llu",
			(unsigned long long)a->seq);
		a->done(a, WIRE_NOT_FOUND, text, NULL);
		return;
	case STORE_CONFLICT:
		text_format(text, sizeof(text), "message %llu is %s",
			(unsigned long long)a->seq,
			m ? stored_state_name(m->state) : "without content");
		a->done(a, WIRE_CONFLICT, text, NULL);
		return;
	default:
		a->done(a, WIRE_BUSY, "the message store is not available",
			NULL);
	}
}

static void
on_listed(struct store_call *call, const struct store_result *result)
{
	struct messages_ask *a = container_of(call, struct messages_ask, call);
	json_t *rows, *whole;

	if (result->answer != STORE_OK) {
		fail(a, result);
		return;
	}
	rows = json_array();
	for (size_t i = 0; i < result->message_count; i++)
		json_array_append_new(rows, view_of(&result->messages[i]));
	whole = json_pack("{s:o,s:b,s:o}", "messages", rows, "more",
		result->more, "before",
		result->more ? json_integer((json_int_t)result->next_seq)
			     : json_null());
	a->done(a, WIRE_FAILED, NULL, whole);
	json_decref(whole);
}

/* The message may be in memory, or have to come back into it. */
static void
follow(struct messages_ask *a, const struct stored_message *m)
{
	struct channel *c = channels_claim(a->all, m->channel);

	if (a->what == MESSAGES_RETRY && m->outbound)
		outbound_recall(a->all, m);
	else if (a->what == MESSAGES_RETRY)
		inbound_recall(a->all, m);
	else if (a->what == MESSAGES_DROP && m->outbound)
		outbound_drop(c, m->id);
	else if (a->what == MESSAGES_DROP)
		inbound_drop(c, m->id);
}

static void
on_done(struct store_call *call, const struct store_result *result)
{
	struct messages_ask *a = container_of(call, struct messages_ask, call);
	const struct stored_message *m = result->messages;
	json_t *view;

	if (result->answer != STORE_OK || !result->message_count) {
		fail(a, result);
		return;
	}
	follow(a, m);
	view = view_of(m);
	if (a->what == MESSAGES_SHOW)
		json_object_set_new(view, "message", content_of(m));
	a->done(a, WIRE_FAILED, NULL, view);
	json_decref(view);
}

/* ---- questions ---- */

bool
messages_list(struct channels *all, struct messages_ask *a,
	const struct messages_page *page)
{
	if (!all->store)
		return false;
	a->all = all;
	a->call.done = on_listed;
	message_store_query(all->store, &a->call,
		&(struct store_query){
			.channel = page->channel ? bytes_of(page->channel)
						 : BYTES(""),
			.states = page->states,
			.after_seq = page->before,
			.newest_first = true,
			.limit = page->limit});
	return true;
}

bool
messages_do(struct channels *all, struct messages_ask *a,
	enum messages_what what, uint64_t seq)
{
	if (!all->store)
		return false;
	a->all = all;
	a->call.done = on_done;
	a->what = what;
	a->seq = seq;
	if (what == MESSAGES_SHOW)
		message_store_get(all->store, &a->call, seq);
	else if (what == MESSAGES_RETRY)
		message_store_retry(all->store, &a->call, seq);
	else
		message_store_drop(all->store, &a->call, seq);
	return true;
}

void
messages_leave(struct messages_ask *a)
{
	if (a->all && a->all->store)
		message_store_forget(a->all->store, &a->call);
}
