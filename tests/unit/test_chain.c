/* chain: links are shared and freed with the last who holds them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/route/chain.h"
#include "supervisor/route/request.h"

static void
expect_text(const struct chain *c, const char *expected)
{
	char *text = chain_text(c);

	cr_expect_str_eq(text, expected);
	free(text);
}

Test(chain, has_its_links_from_the_first_on)
{
	struct chain *a = chain_extend(NULL, "a", "x", false);
	struct chain *b = chain_extend(a, "b", "GET /y", false);
	struct chain *other = chain_extend(a, "c", "z", false);
	json_t *list;

	chain_unref(a); /* the two hold it */
	cr_expect_eq(b->depth, 2);
	expect_text(b, "a:x > b:GET /y");
	expect_text(other, "a:x > c:z");
	list = chain_json(b);
	cr_expect_eq(json_array_size(list), 2);
	cr_expect_str_eq(json_string_value(json_array_get(list, 0)), "a:x");
	json_decref(list);
	chain_unref(b);
	expect_text(other, "a:x > c:z");
	chain_unref(other);
	expect_text(NULL, "");
}

Test(chain, is_full_when_it_has_eight)
{
	struct chain *c = NULL, *longer;

	for (int i = 0; i < CHAIN_DEPTH_MAX; i++) {
		cr_expect_not(chain_is_full(c));
		longer = chain_extend(c, "p", "t", false);
		chain_unref(c);
		c = longer;
	}
	cr_expect(chain_is_full(c));
	chain_unref(c);
}

Test(chain, what_a_filter_calls_is_known_as_that)
{
	struct chain *a = chain_extend(NULL, "a", "x", false);
	struct chain *filter = chain_extend(a, "b", "y", true);
	struct chain *called = chain_extend(filter, "c", "z", false);

	cr_expect_not(a->in_filter);
	cr_expect(filter->in_filter && called->in_filter);
	chain_unref(a);
	chain_unref(filter);
	chain_unref(called);
}

Test(chain, a_long_name_is_cut_between_characters)
{
	char name[1000];
	struct chain *c;

	memset(name, 'x', 253);
	strcpy(name + 253, "\303\274\303\274\303\274"); /* of two bytes */
	c = chain_extend(NULL, "a", name, false);
	cr_expect_eq(strlen(c->text), CHAIN_LINK_BYTES);
	chain_unref(c);
	name[252] = '\303'; /* one more would be half of it */
	name[253] = '\274';
	c = chain_extend(NULL, "a", name, false);
	cr_expect_leq(strlen(c->text), CHAIN_LINK_BYTES);
	chain_unref(c);
}

enum { MANY = 3000 };

Test(chain, is_kept_with_its_request_while_the_table_grows)
{
	struct request_table *t = request_table_create();
	static struct request requests[MANY];
	struct chain *first = chain_extend(NULL, "a", "x", false), *kept;
	struct request heir = {0};
	uint32_t id;

	cr_assert(request_table_add(t, &requests[0]));
	id = requests[0].id;
	cr_expect_null(request_table_chain(t, id));
	request_table_set_chain(t, id, chain_ref(first));
	for (int i = 1; i < MANY; i++)
		cr_assert(request_table_add(t, &requests[i]));
	kept = request_table_chain(t, id);
	cr_expect_eq(kept, first);
	cr_expect_null(request_table_chain(t, requests[1].id));

	/* what stands in for it has it, too */
	request_table_replace(t, id, &heir);
	cr_expect_eq(request_table_chain(t, id), first);
	cr_expect_eq(first->references, 2);
	request_table_remove(t, &heir);
	cr_expect_eq(first->references, 1);
	request_table_set_chain(t, requests[1].id, first);
	request_table_destroy(t);
}
