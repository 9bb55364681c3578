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
#define PIECE_BYTES (32 * 1024)

struct page_answer {
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
	page_forget(&a->reader);
	page_unref(a->page);
	free(a);
}

static void
on_abandon(struct exchange *x)
{
	destroy(x->answering);
}

/* Writes until the client's queue is full. */
static void
go_on(struct page_answer *a)
{
	struct exchange *x = a->exchange;
	struct bytes text;

	if (!a->page || x->state != EXCHANGE_STREAMING)
		return;
	text = text_of(a->page);
	while (a->sent < text.length &&
		exchange_stream_backlog(x) < PIECE_BYTES) {
		size_t left = text.length - a->sent;
		size_t length = left < PIECE_BYTES ? left : PIECE_BYTES;

		exchange_stream_write(
			x, (struct bytes){text.at + a->sent, length});
		a->sent += length;
		if (x->is_head)
			a->sent = text.length;
	}
	if (a->sent < text.length)
		return;
	exchange_let_go(x);
	destroy(a);
	exchange_stream_end(x);
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

	if (buffer_length(&page->text) <= PIECE_BYTES) {
		exchange_answer(x, status, type, FIELDS, text_of(page));
		return;
	}
	a = memory_alloc(sizeof(*a));
	a->exchange = x;
	a->page = page_ref(page);
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
	a->reader.ready = ready;
	exchange_hand_to(x, &responder, a);
	x->state = EXCHANGE_WAITING;
	page_ask(g->pages, &a->reader, -1,
		metrics_recipe_key(METRICS_FORM_TEXT),
		metrics_recipe_create(g, METRICS_FORM_TEXT));
}
