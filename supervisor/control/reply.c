/* reply: packs answers and progress messages. */
#include "supervisor/control/reply.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/value.h"

#define PIECE_BYTES (256 * 1024)

msgpack_packer *
reply_progress(struct peer *peer, uint32_t id)
{
	msgpack_packer *p = peer_begin(peer);

	codec_notification(p, MESSAGE_PROGRESS, 2);
	msgpack_pack_uint32(p, id);
	return p;
}

void
reply_error(
	struct peer *peer, uint32_t id, enum wire_error code, const char *text)
{
	codec_error(peer_begin(peer), id, code, text);
	peer_end(peer);
}

/* Begins an answer. The caller packs one more field: the document, or the
 * length of its pieces. */
static msgpack_packer *
begin_answer(
	struct peer *peer, uint32_t id, enum outcome outcome, const char *field)
{
	msgpack_packer *p = peer_begin(peer);

	codec_result(p, id);
	msgpack_pack_map(p, 3);
	codec_text(p, "outcome");
	codec_text(p, outcome_rows[outcome].text);
	codec_text(p, "exitCode");
	msgpack_pack_int(p, outcome_rows[outcome].exit_code);
	codec_text(p, field);
	return p;
}

/* Cuts the piece between two characters. */
size_t
reply_piece(struct peer *peer, uint32_t id, struct bytes text)
{
	msgpack_packer *p;

	if (text.length > PIECE_BYTES) {
		text.length = PIECE_BYTES;
		while ((text.at[text.length] & 0xc0) == 0x80)
			text.length--;
	}
	p = reply_progress(peer, id);
	msgpack_pack_map(p, 1);
	codec_text(p, "piece");
	codec_str(p, text);
	peer_end(peer);
	return text.length;
}

void
reply_end_pieces(
	struct peer *peer, uint32_t id, enum outcome outcome, size_t length)
{
	msgpack_pack_uint64(begin_answer(peer, id, outcome, "pieces"), length);
	peer_end(peer);
}

static void
send_in_pieces(struct peer *peer, uint32_t id, enum outcome outcome,
	const json_t *document)
{
	char *text = json_text(document, JSON_TEXT_COMPACT);
	size_t length = strlen(text), sent = 0;

	while (sent < length)
		sent += reply_piece(
			peer, id, (struct bytes){text + sent, length - sent});
	reply_end_pieces(peer, id, outcome, length);
	free(text);
}

void
reply_document(struct peer *peer, uint32_t id, enum outcome outcome,
	const json_t *document)
{
	value_pack(begin_answer(peer, id, outcome, "data"), document);
	if (peer_end(peer))
		send_in_pieces(peer, id, outcome, document);
}

int
reply_packed(struct peer *peer, uint32_t id, enum outcome outcome,
	struct bytes packed)
{
	codec_raw(begin_answer(peer, id, outcome, "data"), packed);
	return peer_end(peer);
}
