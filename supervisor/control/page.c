/* page: each rank has a desk, which makes one page at a time, in the order in
 * which the pages were requested. */
#include "supervisor/control/page.h"

#include <ev.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_pack.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/gateway/gateway.h"

#define RANKS 4 /* no role, viewer, operator, admin */

/* A requested page, until all its readers have got it. */
struct sheet {
	struct list node; /* in desk.awaited, unless it is desk.current */
	char *key;
	struct page_recipe *recipe; /* until it is made */
	struct list readers;
	struct page *page; /* once it is made */
	struct buffer text;
	bool wants_packed; /* not done yet */
	struct json_pack pack;
	bool is_refused;
};

struct desk {
	struct list awaited;
	unsigned awaited_count;
	struct sheet *current;
	unsigned page_count; /* pages that still have readers */
	unsigned pause_factor;
	uint64_t began_ms, took_us, next_ms;
};

struct page_press {
	struct gateway *gateway;
	struct desk desks[RANKS];
	ev_prepare turn;
	ev_idle spin; /* the loop does not sleep while there is work */
	ev_timer later;
};

/* ---- pages ---- */

struct page *
page_ref(struct page *page)
{
	page->references++;
	return page;
}

void
page_unref(struct page *page)
{
	if (!page || --page->references)
		return;
	--*page->count;
	buffer_finish(&page->text);
	buffer_finish(&page->packed);
	free(page);
}

/* ---- sheets ---- */

static void
sheet_destroy(struct sheet *s)
{
	if (!s)
		return;
	list_remove(&s->node);
	if (s->recipe)
		s->recipe->destroy(s->recipe);
	page_unref(s->page);
	buffer_finish(&s->text);
	free(s->key);
	free(s);
}

static struct sheet *
sheet_create(const char *key, struct page_recipe *recipe)
{
	struct sheet *s = memory_alloc(sizeof(*s));

	s->key = memory_copy_text(key);
	s->recipe = recipe;
	list_init(&s->node);
	list_init(&s->readers);
	return s;
}

/* Turns the written text into the page. */
static void
sheet_print(struct sheet *s, struct desk *d)
{
	s->page = memory_alloc(sizeof(*s->page));
	s->page->count = &d->page_count;
	s->page->references = 1;
	d->page_count++;
	s->page->text = s->text;
	buffer_init(&s->text);
	s->recipe->destroy(s->recipe);
	s->recipe = NULL;
}

/* Packs a slice. A page too long for one message stays text. */
static void
sheet_pack(struct sheet *s)
{
	struct buffer *text = &s->page->text, *packed = &s->page->packed;
	int done = json_pack_step(&s->pack,
		(struct bytes){
			(const char *)buffer_bytes(text), buffer_length(text)},
		PAGE_PACK_SLICE, packed);

	if (done < 0 || buffer_length(packed) > WIRE_MESSAGE_MAX)
		buffer_finish(packed);
	else if (!done)
		return;
	s->wants_packed = false;
}

/* ---- one desk ---- */

static struct sheet *
first_awaited(struct desk *d)
{
	return container_of(d->awaited.next, struct sheet, node);
}

/* Begins the next page; readers that ask from now on get a later one. */
static void
begin(struct desk *d)
{
	d->current = first_awaited(d);
	list_remove(&d->current->node);
	d->awaited_count--;
	d->current->is_refused = d->page_count >= PAGES_MAX;
	d->began_ms = clock_ms();
	d->took_us = 0;
}

static void
pause_after(struct desk *d)
{
	uint64_t pause = d->took_us * d->pause_factor / 1000;

	d->next_ms = d->began_ms +
		     (pause < PAGE_PAUSE_MAX_MS ? pause : PAGE_PAUSE_MAX_MS);
}

static void
print(struct desk *d)
{
	struct sheet *s = d->current;
	uint64_t from = clock_us();

	if (s->page)
		sheet_pack(s);
	else if (s->recipe->step(s->recipe, &s->text))
		sheet_print(s, d);
	d->took_us += clock_us() - from;
	pause_after(d);
}

static void
hand_out(struct desk *d)
{
	struct sheet *s = d->current;
	uint64_t from = clock_us();

	for (int i = 0; i < PAGE_READERS_PER_TURN; i++) {
		struct page_reader *r;

		if (list_is_empty(&s->readers) ||
			clock_us() - from > PAGE_READERS_TURN_US)
			break;
		r = container_of(s->readers.next, struct page_reader, node);
		list_remove(&r->node);
		r->ready(r, s->page);
	}
}

/* Does one step; true: there is more to do at once. Lowers *due_ms to the time
 * of the next step, if that is earlier. */
static bool
turn(struct desk *d, uint64_t *due_ms)
{
	struct sheet *s = d->current;

	if (s && list_is_empty(&s->readers)) {
		sheet_destroy(s);
		d->current = NULL;
	} else if (s && !s->is_refused && (!s->page || s->wants_packed)) {
		print(d);
	} else if (s) {
		hand_out(d);
	} else if (list_is_empty(&d->awaited)) {
		return false;
	} else if (list_is_empty(&first_awaited(d)->readers)) {
		sheet_destroy(first_awaited(d));
		d->awaited_count--;
	} else if (clock_ms() < d->next_ms) {
		*due_ms = d->next_ms < *due_ms ? d->next_ms : *due_ms;
		return false;
	} else {
		begin(d);
	}
	return true;
}

/* ---- all of them ---- */

static void
wake(struct page_press *p)
{
	ev_prepare_start(p->gateway->loop, &p->turn);
	ev_idle_start(p->gateway->loop, &p->spin);
	ev_timer_stop(p->gateway->loop, &p->later);
}

static void
on_turn(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	struct page_press *p = container_of(watcher, struct page_press, turn);
	uint64_t now = clock_ms(), due_ms = UINT64_MAX;
	bool more = false;

	(void)events;
	for (int i = 0; i < RANKS; i++)
		more |= turn(&p->desks[i], &due_ms);
	if (more) {
		/* A page takes tens of ms in all, and a worker or a client on
		 * the same processor would wait for its time slice: p99 of
		 * requests during a scrape of 1,000 plugins 7 to 10 ms without
		 * this, 2 to 3 ms with it. */
		sched_yield();
		return;
	}
	ev_prepare_stop(loop, &p->turn);
	ev_idle_stop(loop, &p->spin);
	if (due_ms == UINT64_MAX)
		return;
	ev_timer_set(&p->later, (double)(due_ms - now) / 1e3, 0);
	ev_timer_start(loop, &p->later);
}

static void
on_spin(struct ev_loop *loop, ev_idle *watcher, int events)
{
	(void)loop, (void)watcher, (void)events;
}

static void
on_later(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	wake(container_of(timer, struct page_press, later));
}

struct page_press *
page_press_create(struct gateway *g)
{
	static const unsigned factors[RANKS] = {PAGE_PAUSE_FACTOR_NOBODY,
		PAGE_PAUSE_FACTOR_VIEWER, PAGE_PAUSE_FACTOR_OPERATOR,
		PAGE_PAUSE_FACTOR_OPERATOR};
	struct page_press *p = memory_alloc(sizeof(*p));

	p->gateway = g;
	for (int i = 0; i < RANKS; i++) {
		list_init(&p->desks[i].awaited);
		p->desks[i].pause_factor = factors[i];
	}
	ev_prepare_init(&p->turn, on_turn);
	/* before the doors write, so that an answer leaves in this turn */
	ev_set_priority(&p->turn, 2);
	ev_idle_init(&p->spin, on_spin);
	ev_timer_init(&p->later, on_later, 0, 0);
	return p;
}

void
page_press_destroy(struct page_press *p)
{
	if (!p)
		return;
	for (int i = 0; i < RANKS; i++) {
		sheet_destroy(p->desks[i].current);
		while (!list_is_empty(&p->desks[i].awaited))
			sheet_destroy(first_awaited(&p->desks[i]));
	}
	ev_prepare_stop(p->gateway->loop, &p->turn);
	ev_idle_stop(p->gateway->loop, &p->spin);
	ev_timer_stop(p->gateway->loop, &p->later);
	free(p);
}

static struct sheet *
find_awaited(struct desk *d, const char *key)
{
	list_for_each (node, &d->awaited) {
		struct sheet *s = container_of(node, struct sheet, node);

		if (!strcmp(s->key, key))
			return s;
	}
	return NULL;
}

void
page_ask(struct page_press *p, struct page_reader *r, int rank, const char *key,
	struct page_recipe *recipe)
{
	struct desk *d = &p->desks[rank + 1];
	struct sheet *s = find_awaited(d, key);

	list_init(&r->node);
	if (s) {
		recipe->destroy(recipe);
	} else if (d->awaited_count < PAGES_AWAITED_MAX) {
		s = sheet_create(key, recipe);
		list_append(&d->awaited, &s->node);
		d->awaited_count++;
	} else {
		recipe->destroy(recipe);
		r->ready(r, NULL);
		return;
	}
	list_append(&s->readers, &r->node);
	s->wants_packed |= r->wants_packed;
	wake(p);
}

void
page_forget(struct page_reader *r)
{
	list_remove(&r->node);
}
