/* spans-c: the end of the chain of spans-python. */
#include <sup/plugin.h>

static void
step(struct sup_req *req, void *user)
{
	sup_reply_json(req, 200, "{\"c\":%s}", sup_req_traceparent(req));
}

static int
init(struct sup *p)
{
	return sup_tool(p, "c-step", "says its place", NULL, step, NULL)
		       ? SUP_FAILED_TO_START
		       : SUP_STARTED;
}

SUP_PLUGIN("spans-c", "1.0.0", init)
