/* endpoint: supd's own paths as a table. */
#include "supervisor/http/endpoint.h"

#include "supervisor/http/api.h"
#include "supervisor/http/bearer.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/page_answer.h"
#include "supervisor/http/rpc_house.h"
#include "supervisor/http/server.h"

#define PLAIN "text/plain; charset=utf-8"

static void
begin_livez(struct exchange *x, const struct head *h)
{
	exchange_answer(
		x, 200, PLAIN, "Cache-Control: no-store\r\n", BYTES("ok\n"));
}

static void
begin_readyz(struct exchange *x, const struct head *h)
{
	if (gateway_is_ready(x->connection->server->gateway))
		exchange_answer(x, 200, PLAIN, "Cache-Control: no-store\r\n",
			BYTES("ready\n"));
	else
		exchange_answer(x, 503, PLAIN, "Cache-Control: no-store\r\n",
			BYTES("not ready\n"));
}

static void
begin_metrics(struct exchange *x, const struct head *h)
{
	struct http_server *s = x->connection->server;

	if (s->config->admin.metrics == METRICS_TOKEN &&
		bearer_role(&s->config->admin, h) < 0) {
		exchange_refuse(x, 401, "WWW-Authenticate: Bearer\r\n",
			"a valid token is needed");
		return;
	}
	page_answer_metrics(x);
}

static const struct endpoint_row {
	struct bytes path;
	void (*begin)(struct exchange *x, const struct head *h);
	bool is_vital;
} endpoints[] = {
	{{"/livez", 6}, begin_livez, true},
	{{"/readyz", 7}, begin_readyz, true},
	{{"/metrics", 8}, begin_metrics, false},
	{{"/ws", 3}, rpc_begin, false},
};

static bool
is_vital(struct http_server *s, const struct head *h, const struct path *path)
{
	if (bytes_equal(path->segments[0], BYTES("api")))
		return bearer_role(&s->config->admin, h) >= 0;
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(*endpoints); i++)
		if (bytes_equal(path->text, endpoints[i].path))
			return endpoints[i].is_vital;
	return false;
}

static void
begin(struct exchange *x, const struct head *h, const struct path *path)
{
	if (bytes_equal(path->segments[0], BYTES("api"))) {
		api_begin(x, h, path);
		return;
	}
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(*endpoints); i++) {
		if (!bytes_equal(path->text, endpoints[i].path))
			continue;
		if (bytes_equal(h->method, BYTES("GET")) || h->is_head)
			endpoints[i].begin(x, h);
		else
			exchange_refuse(x, 405, "Allow: GET, HEAD\r\n",
				"the method is not served on this path");
		return;
	}
	exchange_refuse(x, 404, "", "nothing is served on this path");
}

const struct own_paths endpoint_paths = {.is_vital = is_vital, .begin = begin};
