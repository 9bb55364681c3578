/* hello: the smallest useful plugin, to copy from. */
#include <sup/plugin.h>
#include <unistd.h>

static void
hello(struct sup_req *req, void *user)
{
	struct sup *p = sup_req_plugin(req);

	sup_reply_json(req, 200,
		"{\"plugin\":%s,\"version\":%s,\"generation\":%u,\"pid\":%d}\n",
		sup_id(p), sup_version(p), sup_generation(p), (int)getpid());
}

static int
init(struct sup *p)
{
	return sup_http(p, "GET", "/hello", hello, NULL) ||
			       sup_tool(p, "hello", "says who serves", NULL,
				       hello, NULL) ||
			       sup_command(p, "hello", "says who serves", hello,
				       NULL)
		       ? SUP_FAILED_TO_START
		       : SUP_STARTED;
}

SUP_PLUGIN("hello", "1.0.0", init)
