/* admission: the lists of idle connections, the shares of addresses, and the
 * reserve. */
#include "supervisor/http/admission.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/server.h"

/* Descriptors kept from connections: for control, logs and files, and per
 * plugin for two workers, their pipes and a staging. */
#define RESERVED_FDS 128
#define FDS_PER_PLUGIN 8

/* Idle connections looked at for one that can be closed. */
#define LOOKS_MAX 8
/* Closed for one new connection: more than one, so that a lowered limit is
 * reached in time. */
#define EVICTIONS_MAX 2

void
admission_init(struct admission *a)
{
	*a = (struct admission){0};
	list_init(&a->idle);
	list_init(&a->reserve_idle);
}

void
admission_finish(struct admission *a)
{
	map_finish(&a->shares);
}

/* ---- shares ---- */

/* Masks IPv6 addresses to their /64, because one host can use all addresses of
 * a /64. */
static void
make_key(uint8_t key[16], const struct address *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(key, address->bytes, 16);
	if (memcmp(key, mapped, sizeof(mapped)) != 0)
		memset(key + 8, 0, 8);
}

static void
join_share(struct admission *a, struct connection *c)
{
	struct address_share *share;
	uint8_t key[16];

	make_key(key, &c->address);
	share = map_get(&a->shares, (const char *)key, sizeof(key));
	if (!share) {
		share = memory_alloc(sizeof(*share));
		memcpy(share->key, key, sizeof(key));
		list_init(&share->idle);
		map_set(&a->shares, (const char *)key, sizeof(key), share);
	}
	share->count++;
	c->admitted.share = share;
}

static void
leave_share(struct admission *a, struct connection *c)
{
	struct address_share *share = c->admitted.share;

	c->admitted.share = NULL;
	if (!share || --share->count)
		return;
	map_remove(&a->shares, (const char *)share->key, sizeof(share->key));
	free(share);
}

/* limits.connections, lowered if needed so that the limit of open files leaves
 * room for workers, control sessions and supd's own files. */
static uint32_t
admission_most(struct http_server *s)
{
	uint64_t wanted = s->config->limits.connections, room;
	uint64_t reserve = RESERVED_FDS +
			   FDS_PER_PLUGIN * (uint64_t)s->gateway->plugin_count;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return (uint32_t)wanted;
	room = limit.rlim_cur / 4; /* leave at least this much */
	if (limit.rlim_cur - room > reserve)
		room = limit.rlim_cur - reserve;
	if (wanted <= room)
		return (uint32_t)wanted;
	if (s->admission.clamped_to != room)
		log_warn("limits.connections is %llu instead of %llu, because "
			 "supd may have %llu files open",
			(unsigned long long)room, (unsigned long long)wanted,
			(unsigned long long)limit.rlim_cur);
	s->admission.clamped_to = room;
	return (uint32_t)room;
}

static bool
exceeds_share(struct http_server *s, const struct address_share *share)
{
	uint32_t most = admission_most(s) / ADMISSION_SHARE;

	return share && share->count > (most ? most : 1);
}

/* ---- eviction ---- */

/* Whether a request has arrived that must be served first. Bytes behind the
 * last answer are not a request. */
static bool
has_unread(const struct connection *c)
{
	return !c->lingering && c->transport.ops->unread(&c->transport) > 0;
}

static void
evict(struct http_server *s, struct connection *c)
{
	s->gateway->edge.evicted++;
	connection_destroy(c);
}

static bool
evict_of_house(struct http_server *s, struct list *idle)
{
	for (int i = 0; i < LOOKS_MAX && !list_is_empty(idle); i++) {
		struct list *node = idle->next;
		struct connection *c = container_of(
			node, struct connection, admitted.idle_node);

		if (!has_unread(c)) {
			evict(s, c);
			return true;
		}
		list_remove(node);
		list_append(idle, node);
	}
	return false;
}

static bool
evict_of_share(struct http_server *s, struct address_share *share)
{
	for (int i = 0; i < LOOKS_MAX && !list_is_empty(&share->idle); i++) {
		struct list *node = share->idle.next;
		struct connection *c = container_of(
			node, struct connection, admitted.share_node);

		if (!has_unread(c)) {
			evict(s, c);
			return true;
		}
		list_remove(node);
		list_append(&share->idle, node);
	}
	return false;
}

bool
admission_evict(struct http_server *s)
{
	return evict_of_house(s, &s->admission.idle);
}

/* ---- places ---- */

static bool
house_is_over_full(struct http_server *s)
{
	return s->connection_count - s->admission.reserve_count >
	       admission_most(s);
}

/* Whether there is room for a connection that is already counted, after closing
 * idle ones if needed. */
static bool
make_place(struct http_server *s, struct address_share *share)
{
	if (exceeds_share(s, share) && !evict_of_share(s, share))
		return false;
	for (int i = 0; i < EVICTIONS_MAX && house_is_over_full(s); i++)
		if (!admission_evict(s))
			break;
	return !house_is_over_full(s);
}

bool
admission_enter(struct http_server *s, struct connection *c)
{
	struct admission *a = &s->admission;

	if (c->address.is_known && !c->may_be_proxied)
		join_share(a, c);
	if (make_place(s, c->admitted.share))
		return true;
	c->admitted.is_reserve = true;
	a->reserve_count++;
	return a->reserve_count <= ADMISSION_RESERVE ||
	       evict_of_house(s, &a->reserve_idle);
}

void
admission_leave(struct http_server *s, struct connection *c)
{
	admission_note_idle(c, false);
	leave_share(&s->admission, c);
	if (c->admitted.is_reserve)
		s->admission.reserve_count--;
}

bool
admission_promote(struct http_server *s, struct connection *c)
{
	struct admission *a = &s->admission;

	if (!c->admitted.is_reserve)
		return true;
	c->admitted.is_reserve = false;
	a->reserve_count--;
	if (make_place(s, c->admitted.share))
		return true;
	c->admitted.is_reserve = true;
	a->reserve_count++;
	return false;
}

/* Lingering connections go first, so they are closed first. */
static void
put(struct list *idle, struct list *node, bool first)
{
	if (first)
		list_prepend(idle, node);
	else
		list_append(idle, node);
}

void
admission_note_idle(struct connection *c, bool is_idle)
{
	struct admitted *m = &c->admitted;
	struct admission *a = &c->server->admission;
	bool was_idle = !list_is_empty(&m->idle_node);
	struct list *house = m->is_reserve ? &a->reserve_idle : &a->idle;

	if (is_idle && was_idle && m->served == c->served &&
		m->lingers == c->lingering)
		return;
	list_remove(&m->idle_node);
	list_remove(&m->share_node);
	if (!is_idle)
		return;
	m->served = c->served;
	m->lingers = c->lingering;
	put(house, &m->idle_node, m->lingers);
	if (m->share && !m->is_reserve)
		put(&m->share->idle, &m->share_node, m->lingers);
}
