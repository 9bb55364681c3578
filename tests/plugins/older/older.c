/* older: a plugin as it was built for ABI 1. What lies behind its offer is
 * not part of it. */
#include <sup/plugin.h>

static void
whole(struct sup_req *req, void *user)
{
	size_t bytes;

	sup_req_body(req, &bytes);
	sup_reply_json(req, 200, "%zu", bytes);
}

static int
init(struct sup *p)
{
	return sup_register(p, &(struct sup_offer){.kind = SUP_HTTP,
				       .method = "POST",
				       .path = "/older",
				       .handler = whole,
				       .streams_body = true});
}

extern SUP_API const struct sup_plugin sup_plugin;
const struct sup_plugin sup_plugin = {1, "older", "1.0.0", init};
