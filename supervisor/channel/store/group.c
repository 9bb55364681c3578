/* group: results are packed as they come, and sent as they are. */
#include "supervisor/channel/store/group.h"

#include "supervisor/channel/store/wire.h"

void
group_finish(struct group *g)
{
	buffer_finish(&g->encoded);
	g->count = 0;
}

static void
close_last(struct group *g)
{
	if (g->count)
		g->answers[g->count - 1].end = buffer_length(&g->encoded);
}

msgpack_packer
group_answer(struct group *g, uint32_t id)
{
	msgpack_packer p;

	close_last(g);
	g->answers[g->count++] = (struct group_answer){.id = id};
	codec_packer(&p, &g->encoded);
	return p;
}

void
group_say(struct group *g, uint32_t id, enum store_answer answer)
{
	msgpack_packer p = group_answer(g, id);

	msgpack_pack_array(&p, 1);
	msgpack_pack_unsigned_int(&p, answer);
}

static void
send_one(struct peer *p, uint32_t id, struct bytes result)
{
	msgpack_packer *packer = peer_begin(p);

	codec_result(packer, id);
	codec_raw(packer, result);
	peer_end(p);
}

void
group_send(struct group *g, struct peer *p, bool is_committed)
{
	static const char busy[] = {(char)0x91, STORE_BUSY};
	const char *at = (const char *)buffer_bytes(&g->encoded);
	size_t start = 0;

	close_last(g);
	for (uint32_t i = 0; i < g->count; i++) {
		const struct group_answer *a = &g->answers[i];
		struct bytes result = {at + start, a->end - start};

		if (!is_committed)
			result = (struct bytes){busy, sizeof(busy)};
		send_one(p, a->id, result);
		start = a->end;
	}
	g->count = 0;
	buffer_clear(&g->encoded);
}
