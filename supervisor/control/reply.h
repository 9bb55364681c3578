/* reply: the messages to a client of the control socket. A document too long
 * for one message is sent as JSON text in pieces before the answer. Keeps
 * nothing. */
#pragma once

#include <jansson.h>

#include "proto/peer.h"
#include "proto/verbs.h"

/* Begins a progress message: pack the event, then call peer_end(). */
msgpack_packer *reply_progress(struct peer *peer, uint32_t id);
void reply_error(
	struct peer *peer, uint32_t id, enum wire_error code, const char *text);
void reply_document(struct peer *peer, uint32_t id, enum outcome outcome,
	const json_t *document);
/* Sends an answer that is already MessagePack. -1: too long for a message;
 * nothing is sent. */
int reply_packed(struct peer *peer, uint32_t id, enum outcome outcome,
	struct bytes packed);
/* Sends the beginning of the text as one piece; returns its length in bytes. */
size_t reply_piece(struct peer *peer, uint32_t id, struct bytes text);
/* Sends the answer after the pieces, with their length in bytes. */
void reply_end_pieces(
	struct peer *peer, uint32_t id, enum outcome outcome, size_t length);
