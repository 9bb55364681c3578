/* request: ids are never 0, never stale and never taken for another's. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "supervisor/route/request.h"

static void
send_to(struct request *r, uint32_t worker)
{
	r->worker = worker;
	r->where = REQUEST_SENT;
}

Test(request, is_found_only_by_its_id_and_its_worker)
{
	struct request_table *t = request_table_create();
	struct request r = {0};
	uint32_t id;

	cr_assert(request_table_add(t, &r));
	id = r.id;
	cr_expect_neq(id, 0);
	cr_expect_null(request_table_find(t, id, 7), "not sent yet");
	send_to(&r, 7);
	cr_expect_eq(request_table_find(t, id, 7), &r);
	cr_expect_null(request_table_find(t, id, 8), "another generation");
	cr_expect_null(request_table_find(t, id, 0));
	cr_expect_null(request_table_find(t, 0, 7));
	cr_expect_null(request_table_find(t, id + 1024, 7), "same slot");
	r.where = REQUEST_HELD;
	cr_expect_null(request_table_find(t, id, 7), "held again");
	cr_expect_eq(request_table_count(t), 1);
	request_table_remove(t, &r);
	cr_expect_eq(r.id, 0);
	cr_expect_null(request_table_find(t, id, 7), "ended");
	cr_expect_eq(request_table_count(t), 0);
	request_table_destroy(t);
}

Test(request, ids_are_not_reused_soon)
{
	struct request_table *t = request_table_create();
	struct request old = {0}, r = {0};
	uint32_t stale;

	cr_assert(request_table_add(t, &old));
	stale = old.id;
	request_table_remove(t, &old);
	for (int i = 0; i < 100000; i++) {
		r = (struct request){0};
		cr_assert(request_table_add(t, &r));
		send_to(&r, 1);
		cr_assert_neq(r.id, stale);
		cr_assert_null(request_table_find(t, stale, 1));
		request_table_remove(t, &r);
	}
	request_table_destroy(t);
}

enum { MANY = 20000 };

Test(request, many_keep_their_ids_while_the_table_grows)
{
	struct request_table *t = request_table_create();
	struct request *all = calloc(MANY, sizeof(*all));
	uint32_t live = MANY;

	for (uint32_t i = 0; i < MANY; i++) {
		cr_assert(request_table_add(t, &all[i]));
		send_to(&all[i], i % 3 + 1);
	}
	srandom(3);
	for (uint32_t i = 0; i < MANY; i++)
		if (random() % 2) {
			request_table_remove(t, &all[i]);
			live--;
		}
	cr_expect_eq(request_table_count(t), live);
	for (uint32_t i = 0; i < MANY; i++)
		if (!all[i].id) {
			cr_assert(request_table_add(t, &all[i]));
			send_to(&all[i], i % 3 + 1);
		}
	for (uint32_t i = 0; i < MANY; i++)
		cr_assert_eq(
			request_table_find(t, all[i].id, i % 3 + 1), &all[i]);
	request_table_destroy(t);
	free(all);
}

Test(request, a_full_table_refuses_and_recovers)
{
	struct request_table *t = request_table_create();
	uint32_t max = REQUEST_TABLE_MAX / 2;
	struct request *all = calloc(max, sizeof(*all)), more = {0};

	for (uint32_t i = 0; i < max; i++)
		cr_assert(request_table_add(t, &all[i]));
	cr_expect(!request_table_add(t, &more));
	cr_expect_eq(more.id, 0);
	request_table_remove(t, &all[17]);
	cr_expect(request_table_add(t, &more));
	request_table_destroy(t);
	free(all);
}

Test(request, every_failure_has_a_text_and_a_status)
{
	for (int i = 0; i < REQUEST_FAILURE_COUNT; i++) {
		cr_expect(request_failures[i].text);
		cr_expect_geq(request_failures[i].status, 500);
	}
	cr_expect_eq(request_failures[REQUEST_OVERFLOW].retry_after_s, 1);
	cr_expect_eq(request_failures[REQUEST_DIED].status, 502);
	cr_expect_eq(request_failures[REQUEST_LATE].status, 504);
}
