/* hooks: an observer, a filter of the tool `judged`, and a tool that calls for
 * an event. */
#include "hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
heard(struct sup_req *req, void *user)
{
	char *data;

	if (asprintf(&data,
		    "{\"n\":%lld,\"hook\":\"%s\",\"event\":\"%s\",\"by\":null}",
		    (long long)sup_req_arg_int(req, "n", 0), sup_req_name(req),
		    sup_req_event(req)) < 0)
		abort();
	if (strstr(sup_req_caller_json(req), "\"plugin\":null"))
		sup_emit(sup_req_plugin(req), "scenario.echo", data);
	free(data);
	sup_ok(req);
}

static void
judge(struct sup_req *req, void *user)
{
	const char *wanted = sup_req_arg_string(req, "args.verdict", "");

	if (!strcmp(wanted, "change"))
		sup_change(req, "{\"args\":{\"changed\":true}}");
	else if (!strcmp(wanted, "stop"))
		sup_stop(req, "as %s", "asked");
	else if (!strcmp(wanted, "claim"))
		sup_claim_value(req, "{\"claimed\":true}");
	else if (!strcmp(wanted, "fail"))
		sup_fail(req, SUP_CONFLICT, "no idea");
	else
		sup_pass(req);
}

static void
judged(struct sup_req *req, void *user)
{
	const char *json = sup_req_args_json(req);

	sup_reply_value(req, 200, json, strlen(json));
}

static void
taken(struct sup *p, const char *error, const char *result, void *user)
{
	sup_reply_json(user, 200,
		result && strstr(result, "\"seq\":") ? "true" : "false");
}

static void
take(struct sup_req *req, void *user)
{
	sup_call(sup_req_plugin(req), "event", "scenario.taken",
		sup_req_args_json(req), 0, taken, req);
}

int
offer_hooks(struct sup *p)
{
	if (sup_register_hook(
		    p, &(struct sup_hook_offer){.event = "scenario.heard",
			       .name = "heard",
			       .handler = heard,
			       .match = "{\"n\":[1,2]}"}) ||
		sup_register_hook(
			p, &(struct sup_hook_offer){.event = "tool.before",
				   .name = "judge",
				   .handler = judge,
				   .match = "{\"name\":\"judged\"}",
				   .filter = true,
				   .priority = 7,
				   .stop_on_error = true}))
		return -1;
	if (sup_tool(p, "judged", NULL, NULL, judged, NULL))
		return -1;
	return sup_tool(p, "take", NULL, NULL, take, NULL);
}
