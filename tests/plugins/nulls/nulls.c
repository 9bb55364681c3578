/* nulls: a plugin that passes NULL where it must not: GET /null?N makes call N
 * of calls.h. */
#include <stdlib.h>
#include <sup/plugin.h>

#include "calls.h"

/* What is called is of no interest, only that it is not NULL. */
static void
nothing(struct sup_req *req, void *user)
{
}

static void
done(struct sup *p, const char *error, const char *result_json, void *user)
{
}

static int
change(struct sup *p, void *user)
{
	return 0;
}

static void
fn(void *user)
{
}

static void
make_call(struct sup_req *req, void *user)
{
	static const struct sup_offer offer = {
		.kind = SUP_TOOL, .name = "x", .handler = nothing};
	static const struct sup_channel_offer channel = {.name = "x"};
	static const struct sup_message message = {.id = "x"};
	static const struct sup_outgoing outgoing = {.text = "x"};
	static const struct sup_action action = {.action = "edit"};
	struct sup *p = sup_req_plugin(req);
	int number = atoi(sup_req_query(req)), i = 0;

	(void)offer, (void)channel, (void)message, (void)outgoing, (void)action,
		(void)p;
#define X(function, parameter, call)                                           \
	if (i++ == number)                                                     \
		(void)call;
	NULL_CALLS(X)
#undef X
	sup_ok(req);
}

static int
init(struct sup *p)
{
	return sup_http(p, "GET", "/null", make_call, NULL);
}

SUP_PLUGIN("nulls", "1.0.0", init)
