/* page_answer: writes a small page at once, a large one in pieces. */
#include "supervisor/http/page_answer.h"

#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/control/metrics_recipe.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/server.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define FIELDS "Cache-Control: no-store\r\n"

struct page_answer {
	struct list node;	   /* in page_turn.waiting, or empty */
	struct page_reader reader; /* waits for the page of metrics */
	struct exchange *exchange;
	struct page *page; /* NULL: still awaited */
	size_t sent;
};

static struct bytes
text_of(const struct page *page)
{
	return (struct bytes){(const char *)buffer_bytes(&page->text),
		buffer_length(&page->text)};
}

static void
destroy(struct page_answer *a)
{
	list_remove(&a->node);
	page_forget(&a->reader);
	page_unref(a->page);
	free(a);
}

static void
on_abandon(struct exchange *x)
{
	destroy(x->answering);
}

static void
write_piece(struct page_answer *a)
{
	struct exchange *x = a->exchange;
	struct bytes text = text_of(a->page);
	size_t left = text.length - a->sent;
	size_t length = left < PAGE_PIECE_BYTES ? left : PAGE_PIECE_BYTES;

	x->connection->server->page_turn.pieces++;
	exchange_stream_write(x, (struct bytes){text.at + a->sent, length});
	a->sent = x->is_head ? text.length : a->sent + length;
	if (a->sent < text.length)
		return;
	exchange_let_go(x);
	destroy(a);
	exchange_stream_end(x);
}

/* Writes a piece, now or in a later turn, unless the client's queue is full. */
static void
go_on(struct page_answer *a)
{
	struct exchange *x = a->exchange;
	struct http_server *s = x->connection->server;

	if (!a->page || x->state != EXCHANGE_STREAMING ||
		exchange_stream_backlog(x) >= PAGE_PIECE_BYTES ||
		!list_is_empty(&a->node))
		return;
	if (list_is_empty(&s->page_turn.waiting) &&
		s->page_turn.pieces < PAGE_PIECES_TURN) {
		write_piece(a);
		return;
	}
	list_append(&s->page_turn.waiting, &a->node);
	ev_idle_start(s->loop, &s->spin);
}

static void
on_passed(struct exchange *x, uint64_t bytes, size_t backlog)
{
	go_on(x->answering);
}

static const struct responder responder = {
	.passed = on_passed,
	.refuse = exchange_refuse_as_accepted,
	.abandon = on_abandon,
};

void
page_answer_begin(
	struct exchange *x, int status, const char *type, struct page *page)
{
	struct page_answer *a;

	if (buffer_length(&page->text) <= PAGE_PIECE_BYTES) {
		exchange_answer(x, status, type, FIELDS, text_of(page));
		return;
	}
	a = memory_alloc(sizeof(*a));
	a->exchange = x;
	a->page = page_ref(page);
	list_init(&a->node);
	list_init(&a->reader.node);
	exchange_hand_to(x, &responder, a);
	exchange_stream_begin(x, status, type, FIELDS);
	go_on(a);
}

static void
ready(struct page_reader *r, struct page *page)
{
	struct page_answer *a = container_of(r, struct page_answer, reader);
	struct exchange *x = a->exchange;

	exchange_let_go(x);
	destroy(a);
	if (page)
		page_answer_begin(x, 200, METRICS_TYPE, page);
	else
		exchange_refuse(x, 503, "Retry-After: 1\r\n",
			"too many clients are reading /metrics");
}

void
page_answer_metrics(struct exchange *x)
{
	struct gateway *g = x->connection->server->gateway;
	struct page_answer *a = memory_alloc(sizeof(*a));

	a->exchange = x;
	list_init(&a->node);
	a->reader.ready = ready;
	exchange_hand_to(x, &responder, a);
	x->state = EXCHANGE_WAITING;
	page_ask(g->pages, &a->reader, -1,
		metrics_recipe_key(METRICS_FORM_TEXT),
		metrics_recipe_create(g, METRICS_FORM_TEXT));
}

/* ---- turns ---- */

void
page_turn_init(struct page_turn *t)
{
	list_init(&t->waiting);
	t->pieces = 0;
}

void
page_turn_begin(struct http_server *s)
{
	struct page_turn *t = &s->page_turn;

	while (!list_is_empty(&t->waiting) && t->pieces < PAGE_PIECES_TURN) {
		struct page_answer *a =
			container_of(t->waiting.next, struct page_answer, node);

		list_remove(&a->node);
		if (a->exchange->state == EXCHANGE_STREAMING)
			write_piece(a);
	}
	if (!list_is_empty(&t->waiting))
		ev_idle_start(s->loop, &s->spin);
}

void
page_turn_end(struct page_turn *t)
{
	t->pieces = 0;
}
