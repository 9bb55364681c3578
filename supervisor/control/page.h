/* page: a long answer as text, shared by all readers that ask for it before it
 * begins. Its cost grows with the number of plugins, so a page is made in
 * slices, one per turn; a page that took long is followed by a pause, and only
 * a few readers get their page per turn. A reader always gets a page that was
 * begun after it asked. Each rank has its own desk, so that readers of a lower
 * rank never delay those of a higher one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"
#include "proto/util/list.h"

#define PAGE_READERS_PER_TURN 16    /* readers that get a page per turn, */
#define PAGE_READERS_TURN_US 1000   /* within this time */
#define PAGE_PACK_SLICE (64 * 1024) /* bytes of text packed per turn */
/* Per rank: pages being read, past which no more are handed out; and pages
 * awaited. */
#define PAGES_MAX 8
#define PAGES_AWAITED_MAX 64
/* Time from the begin of a page to the next, as a multiple of the time that the
 * page took; at most 1 s. Operators and admins wait for no pause. */
#define PAGE_PAUSE_FACTOR_NOBODY 50
#define PAGE_PAUSE_FACTOR_VIEWER 5
#define PAGE_PAUSE_FACTOR_OPERATOR 1
#define PAGE_PAUSE_MAX_MS 1000

struct gateway;
struct page_press;

struct page {
	unsigned *count; /* its rank's count of pages */
	unsigned references;
	struct buffer text;
	/* The page as MessagePack, if a reader wants that and it fits into one
	 * message; else empty. */
	struct buffer packed;
};

/* How a page is made. Between steps a recipe may keep only ids and numbers,
 * because plugins and other objects may be freed. */
struct page_recipe {
	/* Writes a slice; true: it was the last. */
	bool (*step)(struct page_recipe *recipe, struct buffer *text);
	void (*destroy)(struct page_recipe *recipe);
};

struct page_reader {
	struct list node;
	/* Called once; then the reader is out of all lists. To keep the page,
	 * take a reference. NULL: too many pages are being read or awaited. */
	void (*ready)(struct page_reader *r, struct page *page);
	bool wants_packed;
};

/* Creates gateway.pages, which must outlive all readers and pages. */
struct page_press *page_press_create(struct gateway *g);
void page_press_destroy(struct page_press *p); /* NULL is fine */

/* Requests a page. rank: a role, or -1 for a caller without one. Readers of one
 * rank with the same key share a page. Takes the recipe. The caller must have
 * set r->ready and r->wants_packed. */
void page_ask(struct page_press *p, struct page_reader *r, int rank,
	const char *key, struct page_recipe *recipe);
/* Withdraws a request; also allowed after ready(). */
void page_forget(struct page_reader *r);
struct page *page_ref(struct page *page);
void page_unref(struct page *page); /* NULL is fine */
