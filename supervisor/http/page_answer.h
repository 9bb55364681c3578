/* page_answer: answers with a page, in pieces as the client reads, without
 * copying the whole; also GET /metrics, which first waits for its page. */
#pragma once

struct exchange;
struct page;

/* Answers with the page, which is borrowed. */
void page_answer_begin(
	struct exchange *x, int status, const char *type, struct page *page);
void page_answer_metrics(struct exchange *x);
