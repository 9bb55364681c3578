/* @NAME@: a plugin for supd. The reference is <sup/plugin.h>. */
#include <sup/plugin.h>

/* GET /@NAME@ */
static void
greet(struct sup_req *req, void *user)
{
	struct sup *p = sup_req_plugin(req);

	sup_reply_json(req, 200, "{\"greeting\":%s,\"generation\":%u}\n",
		sup_setting_string(p, "greeting", "hello"), sup_generation(p));
}

/* The tool "@NAME@": {"name": "world"} gives "hello, world". */
static void
greet_somebody(struct sup_req *req, void *user)
{
	struct sup *p = sup_req_plugin(req);

	sup_reply_text(req, 200, "%s, %s",
		sup_setting_string(p, "greeting", "hello"),
		sup_req_arg_string(req, "name", "world"));
}

static int
init(struct sup *p)
{
	sup_log(p, SUP_INFO, "@NAME@ starts, generation %u", sup_generation(p));
	if (sup_http(p, "GET", "/@NAME@", greet, NULL) ||
		sup_tool(p, "@NAME@", "Greets somebody.",
			"{\"type\":\"object\",\"properties\":"
			"{\"name\":{\"type\":\"string\"}}}",
			greet_somebody, NULL))
		return SUP_FAILED_TO_START;
	return SUP_STARTED;
}

SUP_PLUGIN("@NAME@", "1.0.0", init)
