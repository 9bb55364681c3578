/* page_answer: answers with a page, in pieces as the client reads, without
 * copying the whole; also GET /metrics, which first waits for its page. Writing
 * to a socket costs far more than making the page once for all, so clients
 * share a number of pieces per turn, and the others wait, in order. */
#pragma once

#include "proto/util/list.h"

#define PAGE_PIECE_BYTES (32 * 1024)
#define PAGE_PIECES_TURN 8 /* passed on per turn, to all clients together */

struct exchange;
struct http_server;
struct page;

struct page_turn {
	struct list waiting; /* struct page_answer.node, oldest first */
	unsigned pieces;     /* passed on in this turn */
};

void page_turn_init(struct page_turn *t);
/* Calls for each turn, before and after the connections have theirs: passes on
 * what waits, until the turn has its pieces; and ends the turn. */
void page_turn_begin(struct http_server *s);
void page_turn_end(struct page_turn *t);

/* Answers with the page, which is borrowed. */
void page_answer_begin(
	struct exchange *x, int status, const char *type, struct page *page);
void page_answer_metrics(struct exchange *x);
